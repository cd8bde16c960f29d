/**
 * Send a signal to each process that gets it.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { signal as signalProcess, signalCalls } from "../proc/processes.ts"
import { CanContinue, Receivers, SignalTarget } from "./SignalTarget.ts"

/** Sends it. If a process has ended, that is no failure. */
export const sendSignal = Step.make("sendSignal", {
  doc: "send the signal to each of them",
  calls: signalCalls,
  requires: [SignalTarget, Receivers, CanContinue],
  reversal: "irreversible",
  advice: {
    EPERM: "the caller may not signal these processes: run it as the user that owns the container, or as root"
  },
  run: Effect.gen(function*() {
    const { signal } = yield* SignalTarget
    for (const process of yield* Receivers) yield* signalProcess(process, signal)
  })
})
