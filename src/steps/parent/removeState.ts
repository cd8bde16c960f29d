/**
 * Remove a stopped container's state directory. After that, its id is free again.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Store from "../state/Store.ts"
import { Stopped } from "./facts.ts"
import { Removal } from "./Removal.ts"

/**
 * Removes the state directory. It comes last, because the removal can be repeated by id while the directory is there. If the
 * id belongs to a newer container by now, that one's directory stays.
 */
export const removeState = Step.make("removeState", {
  doc: "remove the container's state directory",
  calls: [...Store.storeCalls],
  requires: [Removal, Stopped],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { state, stateRoot } = yield* Removal
    yield* Store.removeOf(stateRoot, state)
  })
})
