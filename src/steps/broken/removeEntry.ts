/**
 * Remove what has a container's name in the directory of states.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import type { Kernel } from "../../native/Kernel.ts"
import { Reaped } from "../kill/facts.ts"
import type { InvalidId, NoContainer } from "../state/errors.ts"
import * as Store from "../state/Store.ts"
import { removeUnwritten } from "../state/unwritten.ts"
import { Broken } from "./Broken.ts"

type Failure = Store.StoreError | InvalidId | NoContainer

/** Removes it, whatever it is; but a directory without a state only if nothing is in it. */
export const removeEntry = Step.make("removeEntry", {
  doc: "remove what has the container's id in the directory of states",
  calls: [...Store.storeCalls],
  requires: [Broken, Reaped],
  reversal: "irreversible",
  run: Effect.flatMap(
    Broken,
    ({ id, left, stateRoot }): Effect.Effect<void, Failure, Kernel> =>
      left === "missing" ? removeUnwritten(stateRoot, id) : Store.remove(stateRoot, id)
  )
})
