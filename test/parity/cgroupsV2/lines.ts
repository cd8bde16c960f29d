/** Words for the scenarios here. */
import { existsSync } from "node:fs"
import { O } from "../../../src/native/constants.ts"
import { markOf } from "../../support/mark.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { line, lookAt, mkdir, open, readFile, rmdir, write } from "../../support/vocabulary.ts"

export const root = existsSync("/sys/fs/cgroup/cgroup.controllers") ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified"
export const base = `${root}/${markOf("runfx-parity-")}`

/** Runs lines with groups of their own, parents first, and removes those. */
export const within = (below: ReadonlyArray<string>, lines: Scenario): Scenario => [
  mkdir(base),
  ...below.map((path) => mkdir(`${base}${path}`)),
  ...lines,
  ...below.toReversed().map((path) => rmdir(`${base}${path}`)),
  rmdir(base)
]

export const set = (file: string, ...texts: ReadonlyArray<string>): Scenario =>
  texts.flatMap((text) => write(`${base}${file}`, text))

export const get = (...files: ReadonlyArray<string>): Scenario => files.flatMap((file) => readFile(`${base}${file}`))

/** Tries values for a file, and reads it after each. */
export const values = (file: string, ...texts: ReadonlyArray<string>): Scenario =>
  texts.flatMap((text) => [...set(file, text), ...get(file)])

export const events = (below = ""): Scenario => lookAt(`${base}${below}/cgroup.events`, /^(populated|frozen)/)
export const whereIs = (pid: string): Scenario => lookAt(`/proc/${pid}/cgroup`, /^0:/)

/** Puts a child into a group; how many digits its number has differs. */
export const put = (file: string, child: string): Scenario => [
  open(`${base}${file}`, O.WRONLY, "file"),
  line("write", { fd: "$file", data: `$${child}\n` }),
  line("close", { fd: "$file" })
]

export const types = (...below: ReadonlyArray<string>): Scenario => get(...below.map((path) => `${path}/cgroup.type`))
