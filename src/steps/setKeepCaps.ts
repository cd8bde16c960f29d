/**
 * Keep the permitted capabilities over the change of the user, which otherwise clears them when all uids become nonzero.
 *
 * @see prctl(2), PR_SET_KEEPCAPS; capabilities(7)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { PR } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { BoundingSetDropped, KeepCaps } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Turns `PR_SET_KEEPCAPS` on, if the configuration sets capabilities. */
export const setKeepCaps = Step.make("setKeepCaps", {
  doc: "keep the permitted capabilities over the change of the user",
  calls: ["prctl"],
  requires: [Init, BoundingSetDropped],
  provides: KeepCaps,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EPERM:
      "the securebits of the runtime hold it fast (SECBIT_KEEP_CAPS_LOCKED, see capabilities(7)): run it without that bit"
  },
  run: Effect.gen(function*() {
    const { process } = yield* Init
    if (process.capabilities === undefined) return { kept: false }
    yield* sys.prctl({ option: PR.SET_KEEPCAPS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
    return { kept: true }
  })
})
