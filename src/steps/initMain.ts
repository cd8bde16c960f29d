/**
 * The main of a process that becomes part of a container: runs its pipeline, and reports a failure to the parent.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Event, Events } from "../engine/Events.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import { type Kernel, sys } from "../native/Kernel.ts"
import { send } from "./channel.ts"
import { Init } from "./Init.ts"

const exitCodeOf = (error: unknown): number => {
  const reason = error instanceof Error && "reason" in error ? error.reason : error
  return typeof reason === "object" && reason !== null && "exitCode" in reason && typeof reason.exitCode === "number"
    ? reason.exitCode
    : 1
}

/**
 * Runs an init pipeline in a process that was just made, and never returns: the process ends in exec or exits.
 *
 * @param parentEnd the parent's end of the channel, which this copy of the parent holds too. It must be closed first: as
 *   long as it is open here, the parent's death would not be seen.
 * @param tell hears of each step
 */
export const initMain = (
  pipeline: Pipeline.Any,
  init: Init["Service"],
  parentEnd: number,
  tell: (event: Event) => void = () => {}
): Effect.Effect<never, unknown, Kernel> =>
  Effect.gen(function*() {
    const exit = yield* sys.close({ fd: parentEnd }).pipe(
      Effect.andThen(Pipeline.runUnchecked(pipeline)),
      Effect.provideService(Init, init),
      Effect.provideService(Events, (event) => Effect.sync(() => tell(event))),
      Effect.exit
    )
    // a pipeline that ends without exec or exit has lost its last step
    const error = Exit.isFailure(exit)
      ? Cause.squash(exit.cause)
      : new Error(`the pipeline "${pipeline.name}" ended without an exec`)
    yield* send(init.channel, { _tag: "Failed", error })
    return yield* sys.exit_group({ status: exitCodeOf(error) })
  })
