/**
 * Let go of the state directory, at the end of a start.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Store from "../state/Store.ts"
import { Started, StateDirectory } from "./facts.ts"

/** Closes the handles that the start has held. From here on, a container that no caller waits for runs without the runtime. */
export const leaveState = Step.make("leaveState", {
  doc: "let go of the state directory",
  calls: [...Store.storeCalls],
  requires: [StateDirectory, Started],
  reversal: "harmless",
  // the rollback of the start needs all of these handles
  atOnce: true,
  run: Effect.gen(function*() {
    const { letGo } = yield* StateDirectory
    // close(2) releases the descriptor even when it reports an error, and that must not fail a running container
    yield* Effect.ignore(letGo)
  })
})
