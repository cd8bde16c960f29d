/**
 * Remove what has a container's name in the directory of states.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { Reaped } from "../kill/facts.ts"
import * as Store from "../state/Store.ts"
import { Broken } from "./Broken.ts"

/** Removes it, whatever it is. */
export const removeEntry = Step.make("removeEntry", {
  doc: "remove what has the container's id in the directory of states",
  calls: [...Store.storeCalls],
  requires: [Broken, Reaped],
  reversal: "irreversible",
  run: Effect.flatMap(Broken, ({ id, stateRoot }) => Store.remove(stateRoot, id))
})
