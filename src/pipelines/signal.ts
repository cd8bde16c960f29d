/**
 * Send a signal to a container that runs. SIGKILL is for the pipeline `kill`.
 *
 * @category pipelines
 * @since 0.2.0
 */
import * as Pipeline from "../engine/Pipeline.ts"
import { listReceivers } from "../steps/signal/listReceivers.ts"
import { sendSignal } from "../steps/signal/sendSignal.ts"
import { SignalTarget } from "../steps/signal/SignalTarget.ts"
import { thawToContinue } from "../steps/signal/thawToContinue.ts"

const steps = Pipeline.make(
  { name: "signal", doc: "send a signal to a container that runs", inputs: [SignalTarget] },
  // a process that is frozen does not act on SIGCONT
  thawToContinue,
  // after the thaw: what is forked from there on is a child of a process that gets the signal
  listReceivers,
  sendSignal
)

/**
 * The type of {@link signal}: a name that an editor shows in place of all steps.
 *
 * @since 0.2.0
 */
export interface Signal extends Pipeline.Of<typeof steps> {}

/** From a signal to the processes that have it. */
export const signal: Signal = steps
