/**
 * A container as long as a scope is open, with what there is to do with it.
 *
 * @category acts
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { ConfigError } from "../config/ConfigError.ts"
import type * as Pipeline from "../engine/Pipeline.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import type { Setns } from "../pipelines/setns.ts"
import type { Standard } from "../pipelines/standard.ts"
import type { Userns } from "../pipelines/userns.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import type { FreezeError } from "../steps/cgroup/freezer.ts"
import { type Stats, stats } from "../steps/cgroup/stats.ts"
import type { ContainerId } from "../steps/state/ContainerId.ts"
import { type State, withoutEnvironment } from "../steps/state/State.ts"
import { type Status, status as statusOf } from "../steps/state/status.ts"
import { inBackground } from "./background.ts"
import { stateRoot } from "./caller.ts"
import { type Provided, surroundings } from "./defaults.ts"
import { type ExecError, execIn } from "./exec.ts"
import type { Sound } from "./flow.ts"
import { type SignalError, signalTo } from "./kill.ts"
import { NotRunning } from "./NotRunning.ts"
import type { ExecOptions, RunOptions } from "./options.ts"
import { furtherOf, handleOf, type ProcessHandle } from "./ProcessHandle.ts"
import type { Ended, RunningContainer, RunningProcess } from "./program.ts"
import { run, type RunError } from "./run.ts"
import type { Signal } from "./signalling.ts"

/** The options of a further program of a container, if there is a handle of that. */
export type FurtherOptions<P extends Pipeline.Any = Pipeline.Any> = Omit<ExecOptions<P>, "id" | "stateRoot">

/** Which processes of a container get a signal. */
export interface SignalOptions {
  /** Whether all of its processes do, and not the first one alone. */
  readonly all?: boolean
}

/**
 * A container that runs, with its first program. Both end with the scope. The handle is only for this container: another one that
 * gets its id meanwhile is left alone.
 *
 * - `E`: what its end can fail with
 */
export interface ContainerHandle<out E = unknown> extends ProcessHandle<E> {
  readonly id: ContainerId
  /** As it is kept: without the environment. */
  readonly state: State
  /** What the kernel says of it now; `"stopped"` once it has ended. */
  readonly status: Effect.Effect<Status, SignalError>
  /** As of any program; SIGKILL is for all that are in the container, and with `all` any signal is. */
  readonly signal: (signal: Signal, options?: SignalOptions) => Effect.Effect<void, ConfigError | SignalError>
  /** Runs a further program in it to its end. */
  readonly exec: <P extends Pipeline.Any = Setns, E2 = never, R = never>(
    options: Sound<P> & FurtherOptions<P>,
    onRunning?: (running: RunningProcess) => Effect.Effect<void, E2, R>
  ) => Effect.Effect<Ended, ExecError<P> | E2, R>
  /** Starts a further program in it, which ends with the scope, and with the container. */
  readonly spawn: <P extends Pipeline.Any = Setns>(
    options: Sound<P> & FurtherOptions<P>
  ) => Effect.Effect<ProcessHandle<ExecError<P>>, ExecError<P>, Scope.Scope>
  /**
   * Stops all its processes where they are, and waits until they are. Takes a cgroup (else it is a `CgroupCannotFreeze`), and a
   * container that runs ({@link NotRunning}). Pauses and resumes are done in the order in which they were asked for.
   */
  readonly pause: Effect.Effect<void, FreezeError | SignalError>
  /** Lets them continue, and waits until they do. */
  readonly resume: Effect.Effect<void, FreezeError>
  /** What its cgroups count now; a part that they don't count is absent. */
  readonly stats: Effect.Effect<Stats, SyscallError | Cgroup.NotACgroup | Cgroup.CgroupFileInvalid>
}

/** The parts of a container's handle that act on its cgroups. */
const controls = (
  { cgroup, id }: State,
  status: Effect.Effect<Status, SignalError>,
  provided: Provided
): Pick<ContainerHandle, "pause" | "resume" | "stats"> => {
  // a freeze and a thaw that overlap undo each other, and each waits for what never comes
  const inTurn = Semaphore.withPermit(Semaphore.makeUnsafe(1))
  const orNotRunning = (error: FreezeError): Effect.Effect<never, FreezeError | SignalError> =>
    Effect.flatMap(status, (now) => Effect.fail(now === "stopped" ? new NotRunning({ id, status: now }) : error))
  const freeze: Effect.Effect<void, FreezeError> = cgroup === undefined
    ? Effect.fail(new Cgroup.CgroupCannotFreeze({ paths: [] }))
    : provided(Cgroup.freeze(cgroup))
  return {
    pause: inTurn(Effect.catch(freeze, orNotRunning)),
    resume: inTurn(cgroup === undefined ? Effect.void : provided(Cgroup.thaw(cgroup))),
    stats: cgroup === undefined ? Effect.succeed({}) : provided(stats(cgroup))
  }
}

/**
 * Starts a container, to be talked to while it runs. When the scope ends, it is ended and removed, whatever it does, even if it is
 * paused. It does not outlive this process, as with {@link run}; if it must, use `create`.
 *
 * If its removal fails, `exit` fails with that; if nobody has asked, the end of the scope dies of it.
 *
 * **Example** (A server, as long as its tests)
 *
 * ```ts
 * const tests = Effect.scoped(Effect.gen(function*() {
 *   const server = yield* Runtime.spawn({ id: "server", container })
 *   const check = { ...container.process, args: ["/bin/check"] }
 *   const { code } = yield* server.exec({ process: check })
 *   yield* server.kill({ forceKillAfter: "2 seconds" })
 *   return [code, yield* server.exitCode]
 * }))
 * ```
 */
export const spawn = <P extends Pipeline.Any = Standard | Userns>(
  options: Sound<P> & RunOptions<P>
): Effect.Effect<ContainerHandle<RunError<P>>, RunError<P>, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    const provided = yield* surroundings
    const root = options?.stateRoot ?? (yield* stateRoot)
    const { up: { pid, state }, ...background } = yield* inBackground<RunningContainer, RunError<P>, Kernel | Fork>(
      (onRunning) => run({ ...options, stateRoot: root }, onRunning)
    )
    const { id } = state
    const stopped = Effect.succeed("stopped" as const)
    const status = provided(
      Effect.suspend(() => background.hasEnded() ? stopped : statusOf(root, state)).pipe(
        Effect.catchTag("ContainerNotFound", () => stopped)
      )
    )
    const deliver = (signal: number, options: SignalOptions = {}) =>
      provided(signalTo(root, state, signal, options)).pipe(
        // it has ended meanwhile, which is no failure
        Effect.catchTag("NotRunning", () => Effect.void)
      )
    const handle = handleOf(pid, background, deliver)
    const kept = { ...state, container: withoutEnvironment(state.container) }
    const own = <Q extends Pipeline.Any>(further: FurtherOptions<Q>): ExecOptions<Q> => ({
      ...further,
      id,
      stateRoot: root
    })
    return {
      ...handle,
      id,
      state: kept,
      status,
      exec: (further, onRunning = () => Effect.void) => provided(execIn(kept, own(further), onRunning)),
      spawn: (further) => provided(furtherOf((onRunning) => execIn(kept, own(further), onRunning), provided)),
      ...controls(kept, status, provided)
    }
  })
