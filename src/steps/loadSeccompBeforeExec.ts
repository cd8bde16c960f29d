/**
 * Load the seccomp filter at the very end, where that takes no privilege.
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { Init } from "./Init.ts"
import { advice, loadFilter } from "./seccomp/load.ts"

/**
 * Loads the seccomp filter of a process that can't gain privileges.
 *
 * With `no_new_privs`, seccomp(2) asks for no capability; so this stands as late as possible, and the filter needs to
 * allow little more than the program itself uses. Where `noNewPrivileges` is not set, `loadSeccompBeforeUser` has done
 * the work, and this step does nothing.
 *
 * @see seccomp(2)
 */
export const loadSeccompBeforeExec = Step.make("loadSeccompBeforeExec", {
  doc: "load the seccomp filter as the last thing, where no_new_privs is on",
  calls: ["seccomp"],
  requires: [Init],
  reversal: "irreversible",
  advice,
  run: Effect.flatMap(
    Init,
    ({ container, process }) => process.noNewPrivileges ? loadFilter(container.seccomp) : Effect.void
  )
})
