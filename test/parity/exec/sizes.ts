/** How large arguments may be. */
import { RLIMIT } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { ending, file } from "../../support/programs.ts"
import { line } from "../../support/vocabulary.ts"
import { tryExec } from "./lines.ts"

export const sizes: Readonly<Record<string, Scenario>> = {
  "one argument may have 128 KiB": [
    ...file("p", ending),
    tryExec("p", ["x".repeat(131071)]),
    tryExec("p", ["x".repeat(131072)]),
    tryExec("p", ["x"], [`A=${"x".repeat(131069)}`]),
    tryExec("p", ["x"], [`A=${"x".repeat(131070)}`])
  ],
  "all together a quarter of the stack": [
    ...file("p", ending),
    line("prlimit64", { pid: 0, resource: RLIMIT.STACK, limit: { soft: 1n << 20n, hard: 1n << 20n } }),
    tryExec("p", ["x".repeat(100000), "x".repeat(100000), "x".repeat(50000)]),
    tryExec("p", ["x".repeat(100000), "x".repeat(100000), "x".repeat(70000)])
  ],
  "a small stack still leaves 128 KiB": [
    ...file("p", ending),
    line("prlimit64", { pid: 0, resource: RLIMIT.STACK, limit: { soft: 1n << 18n, hard: 1n << 18n } }),
    tryExec("p", ["x".repeat(100000)]),
    tryExec("p", ["x".repeat(100000), "x".repeat(40000)])
  ]
}
