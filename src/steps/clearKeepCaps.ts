/**
 * Let a later change of the user clear capabilities again, as it does by default.
 *
 * @see prctl(2), PR_SET_KEEPCAPS
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { PR } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { ExecUser, KeepCaps } from "./init/facts.ts"

/** Turns `PR_SET_KEEPCAPS` off, if it was turned on. */
export const clearKeepCaps = Step.make("clearKeepCaps", {
  doc: "let a later change of the user clear capabilities again",
  calls: ["prctl"],
  requires: [KeepCaps, ExecUser],
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const { kept } = yield* KeepCaps
    if (kept) yield* sys.prctl({ option: PR.SET_KEEPCAPS, arg2: 0, arg3: 0, arg4: 0, arg5: 0 })
  })
})
