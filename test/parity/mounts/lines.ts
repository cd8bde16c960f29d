/** Words for the scenarios here. */
import { MS } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { mkdir, mount } from "../../support/vocabulary.ts"

export const tmpfs = (path: string, flags = 0, data: string | null = null): Scenario => [
  mkdir(path),
  mount("tmpfs", path, "tmpfs", flags, data)
]

export const bind = (from: string, to: string, more = 0): Scenario[number] => mount(from, to, null, MS.BIND | more)

export const remount = (path: string, flags: number): Scenario[number] =>
  mount(null, path, null, MS.REMOUNT | MS.BIND | flags)
