/**
 * Remove a stopped container's state directory, with which its id is free again.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Store from "../state/Store.ts"
import { Stopped } from "./facts.ts"
import { Removal } from "./Removal.ts"

/**
 * Removes the state directory, last: as long as it is there, the removal can be repeated by the container's id. One that
 * is another container's by now, to which the id was given since, stays.
 */
export const removeState = Step.make("removeState", {
  doc: "remove the container's state directory",
  calls: [...Store.storeCalls],
  requires: [Removal, Stopped],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { state, stateRoot } = yield* Removal
    if (yield* Store.isOf(stateRoot, state)) yield* Store.remove(stateRoot, state.id)
  })
})
