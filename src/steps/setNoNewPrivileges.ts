/**
 * Forbid the program, and all that it starts, to gain privileges by execve(2): set-user-id bits and file capabilities
 * have no effect from then on.
 *
 * @see prctl(2), PR_SET_NO_NEW_PRIVS
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { PR } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { NoNewPrivileges } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Sets `no_new_privs`, if the configuration asks for it. */
export const setNoNewPrivileges = Step.make("setNoNewPrivileges", {
  doc: "forbid to gain privileges by exec",
  calls: ["prctl"],
  requires: [Init],
  provides: NoNewPrivileges,
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const { process } = yield* Init
    if (process.noNewPrivileges) yield* sys.prctl({ option: PR.SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
  }).pipe(Effect.as(true as const))
})
