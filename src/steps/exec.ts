/**
 * Become the program: the last step of every init pipeline, which on success never returns.
 *
 * The program is not executed by this process itself but by a tiny one in between, which this process becomes first: at
 * the moment of the execve(2) that the container can influence, `/proc/self/exe` is then a sealed memory file, and not
 * the host's runtime, which a container's root could open and overwrite (CVE-2019-5736).
 *
 * @see execve(2), execveat(2)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { calls as trampolineCalls, execThroughTrampoline } from "../native/trampoline.ts"
import { Environment, ExecUser, Program } from "./facts.ts"
import { Init } from "./Init.ts"
import { environmentFor } from "./populateEnv.ts"

/** Executes the program that {@link findProgram} found, with the arguments and the environment of the configuration. */
export const exec = Step.make("exec", {
  doc: "become the program",
  calls: [...trampolineCalls, "execve"],
  requires: [Init, Environment, ExecUser, Program],
  reversal: "terminal",
  advice: {
    ENOENT: "the program's interpreter is missing: the one its #! line names, or the dynamic loader of its libc",
    ENOEXEC: "the program is neither a binary for this machine nor a script with a #! line",
    EACCES: "the program, or its interpreter, may not be executed by this user, or lies on a noexec mount",
    E2BIG: "arguments and environment together are too large"
  },
  run: Effect.gen(function*() {
    const { channel, process } = yield* Init
    const { path } = yield* Program
    const envp = environmentFor(yield* Environment, yield* ExecUser)
    // a label for the next exec must meet the program, not what stands between
    const labelled = process.apparmorProfile !== undefined || process.selinuxLabel !== undefined
    return yield* labelled
      ? sys.execve({ path, argv: process.args, envp })
      : execThroughTrampoline({ path, argv: process.args, envp, channel })
  })
})
