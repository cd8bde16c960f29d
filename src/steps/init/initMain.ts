/**
 * The main function of a process that becomes part of a container: runs its pipeline, and reports a failure to the parent.
 *
 * The process makes the calls, but its steps run in the runtime, alongside the parent's. So the parent gets their events and
 * errors directly, and the process itself only says that it has failed.
 *
 * @category init
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Event, Events } from "../../engine/Events.ts"
import * as Pipeline from "../../engine/Pipeline.ts"
import { exitCodeOf } from "../../engine/PipelineError.ts"
import { beside } from "../../engine/spans.ts"
import { type Kernel, sys } from "../../native/Kernel.ts"
import { send } from "../channel/channel.ts"
import { Init } from "./Init.ts"

/**
 * What an init reports to its parent without the channel.
 *
 * @since 0.2.0
 */
export interface Report {
  /** The events of its steps, in order. */
  readonly events: Array<Event>
  /** How it has failed. */
  failure: Cause.Cause<unknown> | undefined
}

/**
 * A report with nothing in it yet.
 *
 * @since 0.2.0
 */
export const emptyReport = (): Report => ({ events: [], failure: undefined })

/** Runs an init pipeline in a process that was just made, and never returns: the process ends in exec or exits. */
export const initMain = (
  pipeline: Pipeline.Any,
  init: Init["Service"],
  report: Report
): Effect.Effect<never, unknown, Kernel> => runAll(pipeline, init, report)

const runAll = Effect.fnUntraced(function*(
  pipeline: Pipeline.Any,
  init: Init["Service"],
  report: Report
): Effect.fn.Return<never, unknown, Kernel> {
  const exit = yield* Pipeline.runUnchecked(pipeline).pipe(
    Effect.provideService(Init, init),
    Effect.provideService(Events, (event) => Effect.sync(() => void report.events.push(event))),
    beside,
    Effect.exit
  )
  // a pipeline that ends without exec or exit has lost its last step
  const cause = Exit.isFailure(exit)
    ? exit.cause
    : Cause.die(new Error(`the pipeline "${pipeline.name}" ended without an exec`))
  report.failure = cause
  yield* send(init.channel, { _tag: "Failed" })
  return yield* sys.exit_group({ status: exitCodeOf(Cause.squash(cause)) })
})
