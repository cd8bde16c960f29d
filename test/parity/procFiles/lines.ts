/** Words for the scenarios here. */
import { O } from "../../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../../support/parityLines.ts"
import { gate, join, line, open, openGate, pass, see, start } from "../../support/vocabulary.ts"

export const stat = (path: string, ...see: ReadonlyArray<string>): Line =>
  line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see })

export const readlink = (path: string): Line => line("readlinkat", { dirfd: cwd, path }, see)

export const list = (path: string): Scenario => [
  open(path, O.RDONLY | O.DIRECTORY, "dir"),
  line("getdents64", { fd: "$dir" }, { see: "*.name", sorted: true }),
  line("close", { fd: "$dir" })
]

export const mayOpen = (path: string, flags: number = O.RDONLY): Line => open(path, flags)
export const setNs = (fd: string, nstype = 0): Line => line("setns", { fd, nstype })

/** A process beside, that waits. */
export const beside = (flags: number, before: Scenario, lines: Scenario): Scenario => [
  gate("go"),
  gate("made"),
  start("other", flags, [...before, openGate("made"), pass("go")]),
  pass("made"),
  ...lines,
  openGate("go"),
  join("other")
]
