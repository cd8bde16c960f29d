/**
 * Let go of the state directory, at the end of a start.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Store from "../state/Store.ts"
import { Started, StateDirectory } from "./facts.ts"

/** Closes the handles that the start has held. A container that nobody waits for is on its own from here on. */
export const leaveState = Step.make("leaveState", {
  doc: "let go of the state directory",
  calls: [...Store.storeCalls],
  requires: [StateDirectory, Started],
  reversal: "harmless",
  // what undoes the start needs these handles, all of them
  atOnce: true,
  run: Effect.gen(function*() {
    const { letGo } = yield* StateDirectory
    // close(2) releases the descriptor even when it reports an error, and that must not fail a running container
    yield* Effect.ignore(letGo)
  })
})
