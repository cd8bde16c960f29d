/**
 * What a user of containers does: run, exec, kill, remove, list. Each is a pipeline of the parent with the inputs that it
 * needs; nothing here touches the kernel but by them.
 *
 * **Example** (A program in a container, and its exit code)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { defaultSpec } from "runfx/config/defaults"
 * import * as Linux from "runfx/native/Linux"
 * import * as Runtime from "runfx/runtime/Runtime"
 *
 * const program = Runtime.run({
 *   id: "hello",
 *   container: defaultSpec({ rootfs: "/srv/root", args: ["/bin/echo", "hello"] })
 * })
 * const { code } = await Effect.runPromise(Effect.provide(program, Linux.layer))
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import process from "node:process"
import type { ConfigError } from "../config/ConfigError.ts"
import { type Container, hasNamespace, makesNamespace, type NamespaceType, type Process } from "../config/Container.ts"
import { validateHost } from "../config/validate.ts"
import type { Event } from "../engine/Events.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import type { InvalidPipelineError, PipelineError } from "../engine/PipelineError.ts"
import type { ChildStatus, Limit } from "../native/calls.ts"
import { RLIMIT, SIG, SOCK } from "../native/constants.ts"
import type { Fork } from "../native/Fork.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { create as createPipeline } from "../pipelines/create.ts"
import { exec as execPipeline } from "../pipelines/exec.ts"
import { kill as killPipeline } from "../pipelines/kill.ts"
import { remove as removePipeline } from "../pipelines/remove.ts"
import { setns } from "../pipelines/setns.ts"
import { standard } from "../pipelines/standard.ts"
import { userns } from "../pipelines/userns.ts"
import { usernsSetup } from "../pipelines/usernsSetup.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import { KillTarget } from "../steps/kill/KillTarget.ts"
import { NetworkStrategies } from "../steps/network/NetworkStrategies.ts"
import type { Strategy } from "../steps/network/Strategy.ts"
import { EnteredProcess, Started } from "../steps/parent/facts.ts"
import { Launch } from "../steps/parent/Launch.ts"
import { namespacePlan } from "../steps/parent/namespacePlan.ts"
import { Removal } from "../steps/parent/remove.ts"
import { Running } from "../steps/parent/running.ts"
import { SavedState } from "../steps/parent/state.ts"
import { identify, isAlive, signal as signalProcess } from "../steps/processes.ts"
import { scratchRoot } from "../steps/rootfs/scratchRoot.ts"
import type { ContainerNotFound, InvalidId, StateLocked } from "../steps/state/errors.ts"
import type { State } from "../steps/state/State.ts"
import { type Status, status as statusOf } from "../steps/state/status.ts"
import * as Store from "../steps/state/Store.ts"
import { awaitExit, exitCode } from "./awaitExit.ts"
import { checked, type FlowError } from "./flow.ts"
import { checkPreserved, type NotPreservable } from "./preserved.ts"
import { receiveMaster, withTerminal } from "./terminal.ts"

/** Which pipeline the init of a new container runs. */
export type InitType = "standard" | "userns"

/** What a program inherits from, and where its terminal goes. */
export interface ProcessHandles {
  /** How many descriptors from 3 on the program inherits; 0 if absent. */
  readonly preservedFds?: number
  /** A connected unix socket that takes the terminal's master; absent: the caller's own terminal is used. */
  readonly consoleSocket?: number
  /** How long the init may take from one message to the next, in milliseconds; 60 s if absent. */
  readonly patience?: number
}

/** A container to start. */
export interface RunOptions extends ProcessHandles {
  readonly id: string
  readonly container: Container
  readonly bundle?: string
  /** Directory of the state directories; {@link stateRoot} if absent. */
  readonly stateRoot?: string
  /** By default {@link typeFor}. */
  readonly type?: InitType
  /** Mount the host's files on `container.rootfs`, with writes that are thrown away. */
  readonly scratch?: boolean
  /**
   * Edits the init's pipeline. The result is checked before anything is done: a missing requirement, a step out of order,
   * or a missing exec is named.
   */
  readonly flow?: (preset: Pipeline.Any) => Effect.Effect<Pipeline.Any, FlowError | InvalidPipelineError>
  /** Kinds of network beside the built-in ones. */
  readonly strategies?: ReadonlyArray<Strategy>
}

/** A program that runs. */
export interface RunningProcess {
  /** As the caller sees it. */
  readonly pid: number
  /** Owned by the caller, which waits with it and closes it. */
  readonly pidfd: number
  /** What the init did on the way, with times. */
  readonly events: ReadonlyArray<Event>
  /** The master of its terminal, where it has one and no console socket was given. */
  readonly master?: number
}

/** How a program ended. */
export interface Ended {
  readonly status: ChildStatus
  /** The status, or 128 and the signal's number. */
  readonly code: number
  readonly events: ReadonlyArray<Event>
}

/** A command on a container in a state that does not allow it. */
export class NotRunning extends Data.TaggedError("NotRunning")<{
  readonly id: string
  readonly status: Status
}> {
  override get message(): string {
    return `container ${this.id} is ${this.status}`
  }
  get advice(): string {
    return this.status === "paused"
      ? "its cgroup is frozen: thaw it first"
      : "start it again, or remove it with delete"
  }
}

// ── how commands fail ────────────────────────────────────────────────────────────────────────────────────────────────

type Failure<P> = PipelineError<Pipeline.Errors<P>>

/** What {@link launchOf} can fail with: the configuration does not fit this host, the flow or a handle is none. */
export type LaunchError = SyscallError | ConfigError | FlowError | InvalidPipelineError | NotPreservable

/** What {@link create} can fail with: its pipeline, or those that end what was started for nothing. */
export type CreateError =
  | LaunchError
  | Failure<typeof createPipeline>
  | Failure<typeof killPipeline>
  | Failure<typeof removePipeline>

/** What {@link kill} can fail with. */
export type KillError = Store.LoadError | Cgroup.NotACgroup | NotRunning | Failure<typeof killPipeline>

/** What {@link remove} can fail with. */
export type RemoveError =
  | Store.LoadError
  | StateLocked
  | Cgroup.NotACgroup
  | Cgroup.CgroupNotEmpty
  | Cgroup.CgroupPathInvalid
  | Failure<typeof killPipeline>
  | Failure<typeof removePipeline>

/** What {@link run} can fail with. */
export type RunError = CreateError

/** What {@link execLaunchOf} can fail with. */
export type ExecLaunchError =
  | Store.LoadError
  | Cgroup.NotACgroup
  | NotRunning
  | FlowError
  | InvalidPipelineError
  | NotPreservable

/** What {@link start} and {@link exec} can fail with. */
export type ExecError = ExecLaunchError | Failure<typeof execPipeline>

/** What {@link list} can fail with. */
export type ListError = Store.StoreError | Cgroup.NotACgroup | InvalidId | ContainerNotFound

// ── what a command starts from ───────────────────────────────────────────────────────────────────────────────────────

/** The caller's effective ids. */
export const caller: Effect.Effect<{ readonly uid: number; readonly gid: number }, SyscallError, Kernel> = Effect.gen(
  function*() {
    return { uid: (yield* sys.getresuid({})).effective, gid: (yield* sys.getresgid({})).effective }
  }
)

/** Where states are kept if nobody says otherwise. */
export const stateRoot: Effect.Effect<string, SyscallError, Kernel> = Effect.map(
  sys.getresuid({}),
  ({ effective }) => Store.defaultRoot(effective, process.env)
)

/**
 * `RLIMIT_NOFILE` as this process was started with it. Node has raised its soft limit by now; whoever started it has not.
 */
export const inheritedNofile: Effect.Effect<Limit, SyscallError, Kernel> = Effect.gen(function*() {
  const own = yield* sys.prlimit64({ pid: 0, resource: RLIMIT.NOFILE, limit: null })
  const parent = yield* sys.prlimit64({ pid: yield* sys.getppid({}), resource: RLIMIT.NOFILE, limit: null }).pipe(
    // a parent of another user, or none in this pid namespace: the usual soft limit
    Effect.catch(() => Effect.succeed({ soft: 1024n, hard: own.hard }))
  )
  return { soft: parent.soft < own.hard ? parent.soft : own.hard, hard: own.hard }
})

/**
 * The pipeline that fits a container: a new user namespace takes a side-car where there is a caller with the host's
 * privileges to start it from; a caller without builds the root inside.
 */
export const typeFor = (container: Container, uid: number): InitType =>
  makesNamespace(container, "user") && uid === 0 ? "userns" : "standard"

const presetOf = (type: InitType, scratch: boolean): Pipeline.Any => {
  if (type === "userns") return userns
  return scratch ? Pipeline.insertBefore(standard, "bindRoot", scratchRoot) : standard
}

const sideCarOf = (type: InitType, scratch: boolean): { readonly sideCar?: Pipeline.Any } => {
  if (type === "standard") return {}
  return { sideCar: scratch ? Pipeline.insertBefore(usernsSetup, "bindRoot", scratchRoot) : usernsSetup }
}

const defaultPatience = 60_000

/** The input of the create pipeline. Nothing is made yet. */
export const launchOf = (options: RunOptions): Effect.Effect<Launch["Service"], LaunchError, Kernel> =>
  Effect.gen(function*() {
    const { effective: uid } = yield* sys.getresuid({})
    const type = options.type ?? typeFor(options.container, uid)
    const preset = presetOf(type, options.scratch === true)
    // what only this host can tell; the scratch root is not there yet
    if (options.scratch !== true) yield* validateHost(options.container)
    return {
      id: options.id,
      container: options.container,
      process: options.container.process,
      bundle: options.bundle ?? "",
      stateRoot: options.stateRoot ?? Store.defaultRoot(uid, process.env),
      namespaces: namespacePlan(options.container.namespaces),
      init: options.flow === undefined ? preset : yield* Effect.flatMap(options.flow(preset), checked),
      ...sideCarOf(type, options.scratch === true),
      preservedFds: yield* checkPreserved(options.preservedFds ?? 0),
      nofile: yield* inheritedNofile,
      ...(options.consoleSocket === undefined ? {} : { consoleSocket: options.consoleSocket }),
      patience: options.patience ?? defaultPatience
    }
  })

/** Ends what was started where the caller can't be given it; what that failed with stands beside why. */
const orElseEnd = <A, E, R, E2, R2>(
  self: Effect.Effect<A, E, R>,
  end: Effect.Effect<unknown, E2, R2>
): Effect.Effect<A, E | E2, R | R2> =>
  Effect.catchCause(
    self,
    (cause) =>
      Effect.flatMap(Effect.exit(end), (ended) =>
        Effect.failCause<E | E2>(Exit.isFailure(ended) ? Cause.combine(cause, ended.cause) : cause))
  )

/**
 * A pair of sockets for a terminal that nobody else asks for: the master comes out at one end.
 *
 * @param end undoes what `use` has started, where the master can't be had
 */
const withOwnConsole = <A extends object, E, R, E2, R2>(
  wanted: boolean,
  use: (socket: number | undefined) => Effect.Effect<A, E, R>,
  end: (started: A) => Effect.Effect<unknown, E2, R2>
): Effect.Effect<A & { readonly master?: number }, E | E2 | SyscallError, R | R2 | Kernel> =>
  wanted
    ? Effect.acquireUseRelease(
      sys.socketpair({ type: SOCK.STREAM | SOCK.CLOEXEC }),
      ([receiver, sender]) =>
        Effect.gen(function*() {
          const result = yield* use(sender)
          const master = yield* orElseEnd(receiveMaster(receiver), end(result))
          return master === undefined ? result : { ...result, master }
        }),
      // closed they are, whatever close(2) tells; a container that runs does not fail of it
      (ends) => Effect.forEach(ends, (fd) => Effect.ignore(sys.close({ fd })), { discard: true })
    )
    : use(undefined)

// ── commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Starts a container and gives its first process, which runs. On failure nothing of it is left. */
export const create = (
  options: RunOptions
): Effect.Effect<RunningProcess & { readonly state: State }, CreateError, Kernel | Fork> =>
  Effect.uninterruptibleMask((restore) => createWith(restore, options))

/** Only the steps themselves can be interrupted, so that what they have made is never lost on the way to the caller. */
const createWith = (restore: Restore, options: RunOptions) =>
  Effect.gen(function*() {
    const wanted = options.container.process.terminal && options.consoleSocket === undefined
    return yield* withOwnConsole(wanted, (socket) =>
      Effect.gen(function*() {
        const launch = yield* launchOf(socket === undefined ? options : { ...options, consoleSocket: socket })
        const facts = yield* Pipeline.runWith(restore)(createPipeline).pipe(
          Effect.provideService(Launch, launch),
          withStrategies(options.strategies)
        )
        const { pid, pidfd } = Context.get(facts, EnteredProcess)
        return { pid, pidfd, events: Context.get(facts, Started).events, state: Context.get(facts, SavedState) }
      }), ({ pidfd, state }) =>
      Effect.gen(function*() {
        yield* killAll(state, [])
        yield* removeState(options.stateRoot ?? (yield* stateRoot), state, options.strategies)
        yield* sys.close({ fd: pidfd })
      }))
  })

const withStrategies = (added: ReadonlyArray<Strategy> | undefined) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
  added === undefined || added.length === 0
    ? self
    : Effect.flatMap(NetworkStrategies, (known) => Effect.provideService(self, NetworkStrategies, [...added, ...known]))

const waitFor = (running: RunningProcess): Effect.Effect<Ended, SyscallError, Kernel> => {
  const wait = awaitExit(running.pidfd)
  return Effect.map(
    running.master === undefined ? wait : withTerminal(running.master, wait),
    (status) => ({ status, code: exitCode(status), events: running.events })
  )
}

/**
 * Runs a container from its start to its end, and removes it. Interruption, or a failure on the way, kills and removes it
 * as well.
 *
 * @param onRunning is told once, when the program runs
 */
export const run = <R = never>(
  options: RunOptions,
  onRunning: (running: RunningProcess) => Effect.Effect<void, never, R> = () => Effect.void
): Effect.Effect<Ended, RunError, Kernel | Fork | R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const running = yield* createWith(restore, options)
      const { pidfd, state } = running
      const exit = yield* Effect.exit(restore(Effect.andThen(onRunning(running), waitFor(running))))
      const root = options.stateRoot ?? (yield* stateRoot)
      const removal = yield* Effect.gen(function*() {
        // after an end of its own there is nobody left where the pid namespace is the container's
        if (Exit.isFailure(exit) || !hasNamespace(state.container, "pid")) yield* killAll(state, [])
        yield* removeState(root, state, options.strategies)
      }).pipe(Effect.exit)
      yield* sys.close({ fd: pidfd })
      // the end of the program comes first; what its removal failed with stands beside it
      if (Exit.isFailure(exit)) {
        return yield* Effect.failCause(Exit.isFailure(removal) ? Cause.combine(exit.cause, removal.cause) : exit.cause)
      }
      return yield* Effect.as(removal, exit.value)
    })
  )

/** A process to add to a running container. */
export interface ExecOptions extends ProcessHandles {
  readonly id: string
  readonly stateRoot?: string
  readonly process: Process
  /** As {@link RunOptions} has it. */
  readonly flow?: (preset: Pipeline.Any) => Effect.Effect<Pipeline.Any, FlowError | InvalidPipelineError>
}

/** The pipeline that a process runs which is executed in a running container. */
export const setnsPreset: Pipeline.Any = setns

const joinsOf = ({ namespacePaths }: State): ReadonlyArray<{ readonly type: NamespaceType; readonly path: string }> =>
  Object.entries(namespacePaths).map(([type, path]) => ({ type: type as NamespaceType, path }))

/** Starts a process in a running container. */
export const start = (options: ExecOptions): Effect.Effect<RunningProcess, ExecError, Kernel | Fork> =>
  Effect.uninterruptibleMask((restore) => startWith(restore, options))

const startWith = (restore: Restore, options: ExecOptions) =>
  Effect.gen(function*() {
    const root = options.stateRoot ?? (yield* stateRoot)
    const { launch, state } = yield* execLaunchOf(root, options)
    const wanted = options.process.terminal && options.consoleSocket === undefined
    return yield* withOwnConsole(wanted, (socket) =>
      Effect.gen(function*() {
        const facts = yield* Pipeline.runWith(restore)(execPipeline).pipe(
          Effect.provideService(Launch, socket === undefined ? launch : { ...launch, consoleSocket: socket }),
          Effect.provideService(Running, state)
        )
        const { pid, pidfd } = Context.get(facts, EnteredProcess)
        return { pid, pidfd, events: Context.get(facts, Started).events }
      }), ({ pidfd }) => Effect.andThen(killAndReap(pidfd), sys.close({ fd: pidfd })))
  })

/** The inputs of the exec pipeline. Fails with {@link NotRunning} where the container does not run. */
export const execLaunchOf = (
  root: string,
  options: ExecOptions
): Effect.Effect<{ readonly launch: Launch["Service"]; readonly state: State }, ExecLaunchError, Kernel> =>
  Effect.gen(function*() {
    const state = yield* Store.load(root, options.id)
    const now = yield* statusOf(root, state)
    if (now !== "running" && now !== "created") return yield* new NotRunning({ id: options.id, status: now })
    const launch: Launch["Service"] = {
      id: options.id,
      container: state.container,
      process: options.process,
      bundle: state.bundle ?? "",
      stateRoot: root,
      namespaces: namespacePlan(joinsOf(state)),
      ...(state.init === undefined ? {} : { joined: state.init }),
      init: options.flow === undefined ? setns : yield* Effect.flatMap(options.flow(setns), checked),
      preservedFds: yield* checkPreserved(options.preservedFds ?? 0),
      nofile: yield* inheritedNofile,
      ...(options.consoleSocket === undefined ? {} : { consoleSocket: options.consoleSocket }),
      patience: options.patience ?? defaultPatience
    }
    return { launch, state }
  })

/** Runs a process in a running container to its end; interruption kills it. */
export const exec = <R = never>(
  options: ExecOptions,
  onRunning: (running: RunningProcess) => Effect.Effect<void, never, R> = () => Effect.void
): Effect.Effect<Ended, ExecError, Kernel | Fork | R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const running = yield* startWith(restore, options)
      const exit = yield* Effect.exit(restore(Effect.andThen(onRunning(running), waitFor(running))))
      const end = yield* Effect.exit(Exit.isFailure(exit) ? killAndReap(running.pidfd) : Effect.void)
      yield* sys.close({ fd: running.pidfd })
      if (Exit.isFailure(exit) && Exit.isFailure(end)) {
        return yield* Effect.failCause(Cause.combine(exit.cause, end.cause))
      }
      return yield* exit
    })
  )

/** What has failed may have done so after the end of the process was learned: then there is nobody left. */
const killAndReap = (pidfd: number): Effect.Effect<void, SyscallError, Kernel> =>
  sys.pidfd_send_signal({ pidfd, signal: SIG.KILL }).pipe(
    Effect.andThen(Effect.asVoid(awaitExit(pidfd))),
    orOn(["ESRCH", "ECHILD"], undefined)
  )

const killAll = ({ cgroup, init }: State, children: ReadonlyArray<number>) =>
  Pipeline.run(killPipeline).pipe(Effect.provideService(KillTarget, {
    ...(cgroup === undefined ? {} : { cgroup }),
    ...(init === undefined ? {} : { init }),
    children
  }))

/** Sends a signal to every process of a cgroup. */
const signalMembers = (cgroup: Cgroup.CgroupManager, signal: number) =>
  Effect.gen(function*() {
    const found = yield* Effect.forEach(yield* Cgroup.pids(cgroup), identify)
    // whoever is listed twice is inside: a pid may have become another one's between the list and the look
    const still = new Set(yield* Cgroup.pids(cgroup))
    for (const process of found) {
      if (process !== undefined && still.has(process.pid)) yield* signalProcess(process, signal)
    }
  })

/**
 * Sends a signal to the container's first process, or, with `all`, to every one of it; SIGKILL always ends them all (the
 * kill pipeline).
 *
 * @param options.children processes that the caller has started in the container by {@link start} and does not wait for
 *   yet: the container can't end before they are reaped, and nobody else can do that
 */
export const kill = (
  id: string,
  signal: number,
  options: { readonly stateRoot?: string; readonly all?: boolean; readonly children?: ReadonlyArray<number> } = {}
): Effect.Effect<void, KillError, Kernel> =>
  Effect.gen(function*() {
    const root = options.stateRoot ?? (yield* stateRoot)
    const state = yield* Store.load(root, id)
    const now = yield* statusOf(root, state)
    if (signal === SIG.KILL) return yield* Effect.asVoid(killAll(state, options.children ?? []))
    if (now === "stopped" || now === "creating" || state.init === undefined) {
      return yield* new NotRunning({ id, status: now })
    }
    if (options.all === true && state.cgroup !== undefined) return yield* signalMembers(state.cgroup, signal)
    yield* signalProcess(state.init, signal)
  })

const removeState = (root: string, state: State, strategies?: ReadonlyArray<Strategy>) =>
  Pipeline.run(removePipeline).pipe(
    Effect.provideService(Removal, { state, stateRoot: root }),
    withStrategies(strategies)
  )

/**
 * Removes what a container without a readable state has left: a start that was killed before it could write it down, or
 * damage. Only what its id alone tells can be found: the cgroup of the default path, and the directory.
 */
const removeBroken = (root: string, id: string) =>
  Effect.gen(function*() {
    const cgroup = yield* Effect.flatMap(Cgroup.detect, (hierarchies) => Cgroup.plan(hierarchies, { id })).pipe(
      Effect.catchTag("NoCgroupHierarchy", () => Effect.succeed(undefined))
    )
    if (cgroup !== undefined) {
      yield* Pipeline.run(killPipeline).pipe(Effect.provideService(KillTarget, { cgroup, children: [] }))
      yield* Cgroup.destroy(cgroup)
    }
    yield* Store.remove(root, id)
  })

/**
 * Removes a container that has stopped; `force` kills it first, finds nothing wrong with one that is gone, and removes
 * also one whose state can't be read.
 */
export const remove = (
  id: string,
  options: {
    readonly stateRoot?: string
    readonly force?: boolean
    /** As {@link RunOptions} had them: they remove what they made. */
    readonly strategies?: ReadonlyArray<Strategy>
    /** As for {@link kill}. */
    readonly children?: ReadonlyArray<number>
  } = {}
): Effect.Effect<void, RemoveError, Kernel> =>
  Effect.gen(function*() {
    const root = options.stateRoot ?? (yield* stateRoot)
    const removal = Store.withLock(
      root,
      id,
      Effect.gen(function*() {
        const loaded = yield* Effect.result(Store.load(root, id))
        if (loaded._tag === "Failure") {
          return yield* options.force === true && loaded.failure._tag === "StateCorrupt"
            ? removeBroken(root, id)
            : Effect.fail(loaded.failure)
        }
        const state = loaded.success
        // what it has left behind, where its pid namespace was not its own, is in its cgroup
        const stopped = state.init === undefined || !(yield* isAlive(state.init))
        if (options.force === true || stopped) yield* killAll(state, options.children ?? [])
        yield* removeState(root, state, options.strategies)
      })
    )
    return yield* options.force === true
      ? Effect.catchTag(removal, "ContainerNotFound", () => Effect.void)
      : removal
  })

/** A container of a list. */
export type Listed =
  | { readonly id: string; readonly state: State; readonly status: Status }
  | { readonly id: string; readonly error: Error }

/** All containers, by id. One whose state can't be read is listed with the reason. */
export const list = (root: string): Effect.Effect<ReadonlyArray<Listed>, ListError, Kernel> =>
  Effect.flatMap(
    Store.list(root),
    (entries) =>
      Effect.forEach(entries, (entry): Effect.Effect<Listed, ListError, Kernel> =>
        "error" in entry
          ? Effect.succeed(entry)
          : Effect.map(statusOf(root, entry.state), (status) => ({ ...entry, status })))
  )
