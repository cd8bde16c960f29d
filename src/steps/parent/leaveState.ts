/**
 * Release the handles of the state directory, at the end of a start. If /proc shows the first process only now, note it.
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

/** Closes the handles that the start has held. A detached container runs without the runtime from here on. */
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
      // with hidepid, /proc shows a process to its user only from its exec on. The pid still names that process, which is
      // not reaped yet. If it can't be noted, no other command finds the container while it runs
      yield* Effect.ignore(Effect.flatMap(
        identified(pid, container),
        (found) => found === undefined ? Effect.void : complete((known) => ({ ...known, ...found }))
      ))
    }
    // close(2) releases the descriptor even when it reports an error, and that must not fail a running container
    yield* Effect.ignore(letGo)
  })
})
