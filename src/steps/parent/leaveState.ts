/**
 * Let go of the state directory, at the end of a start, with the first process in it if that is seen only now.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Store from "../state/Store.ts"
import { InitUnidentified } from "./errors.ts"
import { EnteredProcess, SavedState, Started, StateDirectory } from "./facts.ts"
import { identified, identifyCalls } from "./identified.ts"
import { Launch } from "./Launch.ts"

/**
 * Writes down the first process, which `/proc` did not show before: with hidepid, /proc shows it to its user only from its
 * exec on. The pid still names that process, which is not reaped yet.
 */
const noteUnveiled = Effect.gen(function*() {
  const { complete } = yield* StateDirectory
  const { attached, record: { container } } = yield* Launch
  const { pid } = yield* EnteredProcess
  const found = yield* identified(pid, container)
  if (found === undefined) return yield* new InitUnidentified({ pid })
  yield* complete(({ runner, ...known }) => ({
    ...known,
    ...(attached && runner !== undefined ? { runner } : {}),
    ...found
  }))
})

/** Closes the handles that the start has held. A detached container runs without the runtime from here on. */
export const leaveState = Step.make("leaveState", {
  doc: "let go of the state directory",
  calls: [...new Set([...Store.storeCalls, ...identifyCalls])],
  requires: [Launch, StateDirectory, EnteredProcess, SavedState, Started],
  reversal: "harmless",
  // the rollback of the start needs all of these handles
  atOnce: true,
  run: Effect.gen(function*() {
    const { letGo } = yield* StateDirectory
    const { attached } = yield* Launch
    const { init } = yield* SavedState
    if (init === undefined) {
      // if a container in the foreground can't be noted, no other command finds it while it runs: its caller removes it
      yield* attached ? Effect.ignore(noteUnveiled) : noteUnveiled
    }
    // close(2) releases the descriptor even when it reports an error, and that must not fail a running container
    yield* Effect.ignore(letGo)
  })
})
