/**
 * Let go of the state directory, at the end of a start, with the first process in it if that is seen only now.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Store from "../state/Store.ts"
import { EnteredProcess, SavedState, Started, StateDirectory } from "./facts.ts"
import { identified, identifyCalls } from "./identified.ts"
import { Launch } from "./Launch.ts"

/** Closes the handles that the start has held. From here on, a container that no caller waits for runs without the runtime. */
export const leaveState = Step.make("leaveState", {
  doc: "let go of the state directory",
  calls: [...new Set([...Store.storeCalls, ...identifyCalls])],
  requires: [Launch, StateDirectory, EnteredProcess, SavedState, Started],
  reversal: "harmless",
  // the rollback of the start needs all of these handles
  atOnce: true,
  run: Effect.gen(function*() {
    const { complete, letGo } = yield* StateDirectory
    const { record: { container } } = yield* Launch
    const { pid } = yield* EnteredProcess
    const { init } = yield* SavedState
    if (init === undefined) {
      // with hidepid, /proc shows a process to the user who has started it from its exec on. It is not reaped yet: its pid
      // is its own. If it can't be noted, no other command finds the container while it runs, as before
      yield* Effect.ignore(Effect.flatMap(
        identified(pid, container),
        (found) => found === undefined ? Effect.void : complete((known) => ({ ...known, ...found }))
      ))
    }
    // close(2) releases the descriptor even when it reports an error, and that must not fail a running container
    yield* Effect.ignore(letGo)
  })
})
