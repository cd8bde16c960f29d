/**
 * `start` and `exec`: another program in a running container.
 *
 * @category acts
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ConfigError } from "../config/ConfigError.ts"
import type { NamespaceType } from "../config/Container.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import type { InvalidPipelineError, PipelineError } from "../engine/PipelineError.ts"
import { act } from "../engine/spans.ts"
import type { Fork } from "../native/Fork.ts"
import type { AnyPid } from "../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { exec as execPipeline } from "../pipelines/exec.ts"
import { type Setns, setns } from "../pipelines/setns.ts"
import type { StateRootError } from "../steps/caller/stateRoot.ts"
import type * as Cgroup from "../steps/cgroup/Cgroup.ts"
import { ProcessesRemain } from "../steps/kill/errors.ts"
import { Launch } from "../steps/parent/Launch.ts"
import { namespacePlan } from "../steps/parent/namespacePlan.ts"
import { Running } from "../steps/parent/Running.ts"
import { pathNumber } from "../steps/proc/numbers.ts"
import type { ProcessUnseen } from "../steps/state/errors.ts"
import type { State } from "../steps/state/State.ts"
import * as Store from "../steps/state/Store.ts"
import { initOf } from "../steps/state/whereabouts.ts"
import { whileAttached } from "./attached.ts"
import { stateRoot } from "./caller.ts"
import { closing, withOwnConsole } from "./console.ts"
import { orWhatBecame, settledStatus } from "./ending.ts"
import { orElseEnd, tryAll } from "./endings.ts"
import { edited, type FlowError, type Sound } from "./flow.ts"
import { type Attachment, recordOf } from "./launch.ts"
import { NotRunning, processUnseen } from "./NotRunning.ts"
import { checkExecOptions, checkProcess, endsOnSignal, type ExecOptions, patienceOf } from "./options.ts"
import type { NotPreservable } from "./preserved.ts"
import { type Ended, type RunningProcess, startedOf, toItsEnd } from "./program.ts"
import { killAndReap } from "./removing.ts"
import type { StreamError } from "./streams.ts"

/** What {@link execLaunchOf} can fail with. */
export type ExecLaunchError =
  | StateRootError
  | Store.LoadError
  | Cgroup.NotACgroup
  | NotRunning
  | ProcessUnseen
  | ConfigError
  | FlowError
  | InvalidPipelineError
  | NotPreservable

/**
 * What {@link start} can fail with; `P` is the pipeline of the process.
 *
 * @since 0.2.0
 */
export type StartError<P = Setns> =
  | ExecLaunchError
  | ProcessesRemain
  | PipelineError<Pipeline.Reason<Pipeline.Errors<typeof execPipeline>> | Pipeline.Errors<P>>

/** What {@link exec} can fail with. */
export type ExecError<P = Setns> = StartError<P> | StreamError

/** The pipeline of a process that is executed in a running container. */
export const setnsPreset: Pipeline.Any = setns

/** The namespaces of a container, as its first process has them now: the pid in the state may be out of date. */
const joinsOf = (
  { namespacePaths }: State,
  pid: AnyPid
): Effect.Effect<ReadonlyArray<{ readonly type: NamespaceType; readonly path: string }>, SyscallError, Kernel> =>
  Effect.map(
    pathNumber(pid),
    (number) =>
      Object.entries(namespacePaths).map(([type, path]) => ({
        type: type as NamespaceType,
        path: path.replace(/^\/proc\/\d+\//, `/proc/${number}/`)
      }))
  )

/**
 * Starts a process in a running container.
 *
 * @param onRunning is called once, when the program runs; if it fails, or is interrupted, the process is ended
 * @since 0.2.0
 */
export const start = <P extends Pipeline.Any = Setns, E = never, R = never>(
  options: Sound<P> & ExecOptions<P>,
  onRunning: (running: RunningProcess) => Effect.Effect<void, E, R> = () => Effect.void
): Effect.Effect<RunningProcess, StartError<P> | E, Kernel | Fork | R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const { running } = yield* startWith(restore, options, { attached: false })
      return yield* orElseEnd(Effect.as(restore(onRunning(running)), running), abandon(running))
    })
  ).pipe(whileAttached(endsOnSignal(options)), act("Runtime.start", { "container.id": options?.id }))

const withConsole = (launch: Launch["Service"], consoleSocket: number | undefined): Launch["Service"] =>
  consoleSocket === undefined ? launch : { ...launch, record: { ...launch.record, consoleSocket } }

/** Ends a process that can't be handed over. */
const abandon = (started: RunningProcess) =>
  tryAll<SyscallError | ProcessesRemain, Kernel>([
    ...closing(started.master),
    killAndReap(started),
    sys.close({ fd: started.pidfd })
  ])

/** @param own the container, if the caller has it: its id may be another one's by now */
const startWith = (
  restore: Pipeline.Restore,
  options: ExecOptions,
  attachment: Attachment,
  own?: State
) =>
  Effect.gen(function*() {
    yield* checkExecOptions(options)
    const root = options.stateRoot ?? (yield* stateRoot)
    const { launch, state } = yield* checkedExecLaunch(root, options, attachment, own)
    const wanted = options.process.terminal && options.consoleSocket === undefined
    const running = yield* withOwnConsole(wanted, (socket) =>
      Effect.gen(function*() {
        const facts = yield* Pipeline.runWith(restore)(execPipeline).pipe(
          Effect.provideService(Launch, withConsole(launch, socket)),
          Effect.provideService(Running, state),
          orWhatBecame(root, state)
        )
        return startedOf(facts)
      }), abandon)
    return { running, cgroup: state.cgroup }
  })

/**
 * The inputs of the exec pipeline.
 *
 * @since 0.2.0
 */
export interface ExecLaunch {
  readonly launch: Launch["Service"]
  readonly state: State
}

/** The inputs of the exec pipeline. Fails with {@link NotRunning} if the container does not run. */
export const execLaunchOf = (
  root: string,
  options: ExecOptions,
  attachment: Attachment = { attached: false }
): Effect.Effect<ExecLaunch, ExecLaunchError, Kernel> =>
  Effect.andThen(checkExecOptions(options), checkedExecLaunch(root, options, attachment))

/** Like {@link execLaunchOf}, for options that were checked. */
const checkedExecLaunch = (
  root: string,
  options: ExecOptions,
  attachment: Attachment,
  own?: State
): Effect.Effect<ExecLaunch, ExecLaunchError, Kernel> =>
  Effect.gen(function*() {
    const state = own ?? (yield* Store.load(root, options.id))
    const known = yield* initOf(state)
    if (known._tag === "Unseen") return yield* processUnseen(state, known)
    const now = yield* settledStatus(root, state, known)
    if (known._tag !== "Alive" || (now !== "running" && now !== "created")) {
      return yield* new NotRunning({ id: options.id, status: now })
    }
    yield* checkProcess(options.process, state.container)
    const { container } = state
    const launch: Launch["Service"] = {
      bundle: state.bundle ?? "",
      stateRoot: root,
      namespaces: namespacePlan(yield* joinsOf(state, known.process.pid)),
      init: options.flow === undefined ? setns : yield* edited(options.flow, setns),
      ...attachment,
      patience: yield* patienceOf(options),
      record: {
        ...yield* recordOf(options, { container, process: options.process }, attachment),
        joined: known.process
      }
    }
    return { launch, state }
  })

/** {@link exec}, in a container that the caller has, if it has one: its id may be another one's by now. */
export const execIn = <E, R>(
  own: State | undefined,
  options: ExecOptions,
  onRunning: (running: RunningProcess) => Effect.Effect<void, E, R>
) =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const { cgroup, running } = yield* startWith(restore, options, { attached: true }, own)
      return yield* toItsEnd(restore, running, onRunning, {
        cgroup,
        measured: options.measured,
        end: (exit) => Exit.isFailure(exit) ? [killAndReap(running)] : []
      })
    })
  ).pipe(whileAttached(endsOnSignal(options)), act("Runtime.exec", { "container.id": options?.id }))

/**
 * Runs a process in a running container to its end; interruption kills it. It does not outlive this process, as with
 * {@link run}.
 */
export const exec = <P extends Pipeline.Any = Setns, E = never, R = never>(
  options: Sound<P> & ExecOptions<P>,
  onRunning: (running: RunningProcess) => Effect.Effect<void, E, R> = () => Effect.void
): Effect.Effect<Ended, ExecError<P> | E, Kernel | Fork | R> => execIn(undefined, options, onRunning)
