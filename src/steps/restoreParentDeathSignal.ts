/**
 * Set the parent-death signal again, which the change of the user has cleared. {@link verifyParent} follows: a parent
 * that died in between has sent nothing.
 *
 * @see prctl(2), PR_SET_PDEATHSIG
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { PR } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { ExecUser, ParentDeathSignal, ParentDeathSignalSet } from "./init/facts.ts"

/** Sets the signal of {@link ParentDeathSignal}, if there is one and it was cleared. */
export const restoreParentDeathSignal = Step.make("restoreParentDeathSignal", {
  doc: "set the parent-death signal again",
  calls: ["prctl"],
  requires: [ParentDeathSignal, ExecUser],
  provides: ParentDeathSignalSet,
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const { signal } = yield* ParentDeathSignal
    if (signal === 0) return
    const current = yield* Ahead.likely(signal)(
      sys.prctl({ option: PR.GET_PDEATHSIG, arg2: 0, arg3: 0, arg4: 0, arg5: 0 })
    )
    if (current === signal) return
    yield* sys.prctl({ option: PR.SET_PDEATHSIG, arg2: signal, arg3: 0, arg4: 0, arg5: 0 })
  }).pipe(Effect.as(true as const))
})
