/**
 * Let the process die with its parent, if the configuration asks for it or the caller stays with it, and remember the
 * signal: a change of the user clears it.
 *
 * It comes after {@link forkIntoNamespaces}, since a child does not inherit it. A parent that has died before is found
 * by {@link verifyParent}.
 *
 * @see prctl(2), PR_SET_PDEATHSIG
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { PR } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { ParentDeathSignal } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Sets `parentDeathSignal`, or reads the one that is set. */
export const saveParentDeathSignal = Step.make("saveParentDeathSignal", {
  doc: "die with the parent if the configuration asks for it, and remember the signal",
  calls: ["prctl"],
  requires: [Init],
  provides: ParentDeathSignal,
  reversal: "irreversible",
  deterministic: true,
  advice: { EINVAL: "parentDeathSignal must be the number of a signal" },
  run: Effect.gen(function*() {
    const { container, parentDeathSignal } = yield* Init
    const signal = container.parentDeathSignal ?? parentDeathSignal
    if (signal === undefined) {
      return { signal: yield* sys.prctl({ option: PR.GET_PDEATHSIG, arg2: 0, arg3: 0, arg4: 0, arg5: 0 }) }
    }
    yield* sys.prctl({ option: PR.SET_PDEATHSIG, arg2: signal, arg3: 0, arg4: 0, arg5: 0 })
    return { signal }
  })
})
