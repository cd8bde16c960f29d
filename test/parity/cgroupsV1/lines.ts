/** Words for the scenarios here. */
import { O } from "../../../src/native/constants.ts"
import { markOf } from "../../support/mark.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { line, mkdir, open, readFile, rmdir, write } from "../../support/vocabulary.ts"

const name = markOf("runfx-parity-")

/** The group of the scenario in a hierarchy, and what is below it. */
export const at = (controller: string, below = ""): string => `/sys/fs/cgroup/${controller}/${name}${below}`

/** Runs lines with groups of their own, parents first, and removes those. */
export const within = (controller: string, below: ReadonlyArray<string>, lines: Scenario): Scenario => [
  mkdir(at(controller)),
  ...below.map((path) => mkdir(at(controller, path))),
  ...lines,
  ...below.toReversed().map((path) => rmdir(at(controller, path))),
  rmdir(at(controller))
]

/** Tries values for a file, and reads it after each. */
export const values = (path: string, ...texts: ReadonlyArray<string>): Scenario =>
  texts.flatMap((text) => [...write(path, text), ...readFile(path)])

export const writes = (path: string, ...texts: ReadonlyArray<string>): Scenario =>
  texts.flatMap((text) => write(path, text))

/** Puts a child into a group; how many digits its number has differs. */
export const put = (path: string, child: string): Scenario => [
  open(path, O.WRONLY, "file"),
  line("write", { fd: "$file", data: `$${child}\n` }),
  line("close", { fd: "$file" })
]
