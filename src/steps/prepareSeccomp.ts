/**
 * Compile the seccomp filter that is loaded right before the program, if that takes no privilege.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import process from "node:process"
import * as Step from "../engine/Step.ts"
import { ExecFilter } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { compile } from "./seccomp/compile.ts"

/**
 * Compiles the seccomp filter of a process that can't gain privileges.
 *
 * With `no_new_privs`, seccomp(2) needs no capability. So the trampoline of `writeTrampoline` loads the filter right before it
 * becomes the program, and the filter must only allow execve(2) and what the program itself uses. If there is no trampoline,
 * `exec` loads it. If `noNewPrivileges` is not set, `loadSeccompBeforeUser` has loaded it already.
 *
 * @see seccomp(2)
 */
export const prepareSeccomp = Step.make("prepareSeccomp", {
  doc: "compile the seccomp filter that is loaded right before the program, if no_new_privs is on",
  calls: [],
  requires: [Init],
  provides: ExecFilter,
  reversal: "harmless",
  replayable: true,
  run: Effect.gen(function*() {
    const { container: { seccomp }, process: { noNewPrivileges } } = yield* Init
    if (seccomp === undefined || !noNewPrivileges) return { filter: undefined }
    const { flags, program } = yield* Effect.fromResult(compile(seccomp, process.arch === "arm64" ? "arm64" : "x64"))
    return { filter: { flags, program } }
  })
})
