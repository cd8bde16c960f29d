/**
 * Load the seccomp filter while the process has the privilege that it may take.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { Init } from "./init/Init.ts"
import { advice, loadFilter } from "./seccomp/load.ts"

/**
 * Loads the seccomp filter of a process that may still gain privileges.
 *
 * Without `no_new_privs`, seccomp(2) needs CAP_SYS_ADMIN. So this comes before the capabilities and the user change, and the
 * filter must allow what the init does after it (setresuid, capset, execve, …). If `noNewPrivileges` is set, this step does
 * nothing: the filter that `prepareSeccomp` compiles is loaded right before the program.
 *
 * @see seccomp(2)
 */
export const loadSeccompBeforeUser = Step.make("loadSeccompBeforeUser", {
  doc: "load the seccomp filter while CAP_SYS_ADMIN is there, if no_new_privs is off",
  calls: ["seccomp"],
  requires: [Init],
  reversal: "irreversible",
  replayable: true,
  advice,
  run: Effect.flatMap(
    Init,
    ({ container, process }) => process.noNewPrivileges ? Effect.void : loadFilter(container.seccomp)
  )
})
