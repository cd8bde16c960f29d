/**
 * `create`: starts a container that continues by itself.
 *
 * @category acts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Pipeline from "../engine/Pipeline.ts"
import type { PipelineError } from "../engine/PipelineError.ts"
import { act } from "../engine/spans.ts"
import type { Fork } from "../native/Fork.ts"
import { type Kernel, sys } from "../native/Kernel.ts"
import { Surroundings } from "../native/Surroundings.ts"
import { create as createPipeline } from "../pipelines/create.ts"
import { createLate } from "../pipelines/createLate.ts"
import type { Standard } from "../pipelines/standard.ts"
import type { Userns } from "../pipelines/userns.ts"
import type { UsernsSetup } from "../pipelines/usernsSetup.ts"
import { ProcessesRemain } from "../steps/kill/errors.ts"
import { type EnteredProcess, SavedState, type Started } from "../steps/parent/facts.ts"
import { Launch } from "../steps/parent/Launch.ts"
import { starts } from "./admission.ts"
import { whileAttached } from "./attached.ts"
import { closing, withOwnConsole } from "./console.ts"
import { orElseEnd, tryAll } from "./endings.ts"
import type { Sound } from "./flow.ts"
import { type Attachment, checkedLaunch, type LaunchError } from "./launch.ts"
import { checkRunOptions, endsOnSignal, type RunOptions, startsAtOnce } from "./options.ts"
import { type RunningContainer, startedOf } from "./program.ts"
import { type RemoveError, removeOwn, withStrategies } from "./removing.ts"

/** What an init can fail with, and the process that builds its root. */
export type InitReason<P> = Pipeline.Errors<P | UsernsSetup>

/**
 * What {@link create} can fail with: in its pipeline, in that of the init, `P`, or when it stops an unneeded start.
 */
export type CreateError<P = Standard | Userns> =
  | LaunchError
  | PipelineError<Pipeline.Reason<Pipeline.Errors<typeof createPipeline | typeof createLate>> | InitReason<P>>
  | ProcessesRemain
  | RemoveError

/**
 * Starts a container and returns its first process, which is running. Nothing is left if it fails, or if a signal ends this
 * process meanwhile: see {@link RunOptions.endOnSignal}.
 *
 * @param onRunning is called once, when the program runs; if it fails, or is interrupted, the container is ended and removed
 */
export const create = <P extends Pipeline.Any = Standard | Userns, E = never, R = never>(
  options: Sound<P> & RunOptions<P>,
  onRunning: (running: RunningContainer) => Effect.Effect<void, E, R> = () => Effect.void
): Effect.Effect<RunningContainer, CreateError<P> | E, Kernel | Fork | R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const checked = yield* checkRunOptions<RunOptions>(options)
      const { root, ...running } = yield* createWith(restore, checked, { attached: false })
      return yield* orElseEnd(Effect.as(restore(onRunning(running)), running), discard(options, root, running))
    })
  ).pipe(whileAttached(endsOnSignal(options)), act("Runtime.create", { "container.id": options?.id }))

/** Ends and removes a container that can't be handed over. */
const discard = ({ strategies }: RunOptions, root: string, started: RunningContainer) =>
  tryAll<CreateError<never>, Kernel>([
    ...closing(started.master),
    removeOwn(root, started, { kill: true, reaped: false, strategies }),
    sys.close({ fd: started.pidfd })
  ])

const launched = Effect.fnUntraced(function*(restore: Pipeline.Restore, options: RunOptions, attachment: Attachment) {
  const launch = yield* checkedLaunch(options, attachment)
  const run = Pipeline.runWith(restore)
  const started: Effect.Effect<
    Context.Context<EnteredProcess | Started | SavedState>,
    Pipeline.Failure<typeof createPipeline | typeof createLate>,
    Kernel | Fork | Launch
  > = options.late === undefined ? run(createPipeline) : run(createLate)
  const facts = yield* started.pipe(Effect.provideService(Launch, launch), withStrategies(options.strategies))
  return { state: Context.get(facts, SavedState), root: launch.stateRoot, ...startedOf(facts) }
})

/**
 * {@link create} with the options that the check has returned. Only the steps can be interrupted, so that what they have made is never lost
 * on the way to the caller. `root` is where its state is kept.
 */
export const createWith = Effect.fnUntraced(
  function*(restore: Pipeline.Restore, options: RunOptions, attachment: Attachment) {
    const atOnce = yield* startsAtOnce
    // on a model a start takes no time
    if (!(yield* Surroundings).live) return yield* createNow(restore, options, attachment)
    return yield* starts.admit(restore, atOnce, (done) => {
      // one that waits for its program has been made
      const late = options.late && Effect.andThen(done, options.late)
      return createNow(restore, late === undefined ? options : { ...options, late }, attachment)
    })
  }
)

/** {@link createWith}, once it may begin. */
const createNow = (restore: Pipeline.Restore, options: RunOptions, attachment: Attachment) =>
  withOwnConsole(
    options.container.process.terminal && options.consoleSocket === undefined,
    (socket) => launched(restore, socket === undefined ? options : { ...options, consoleSocket: socket }, attachment),
    (started) => discard(options, started.root, started)
  )
