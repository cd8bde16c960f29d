/**
 * Kill and remove. Each of these identifies its object first: a process by its pid, its pid namespace and its start time, a
 * cgroup by its inode, a state directory by its inode and the nonce in it.
 *
 * @category acts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { given } from "../engine/given.ts"
import * as Pipeline from "../engine/Pipeline.ts"
import type { Failure } from "../engine/Pipeline.ts"
import { rootCause } from "../engine/PipelineError.ts"
import { act } from "../engine/spans.ts"
import { POLL, SIG } from "../native/constants.ts"
import type { AnyPid, AnyPidfd } from "../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { kill as killPipeline } from "../pipelines/kill.ts"
import { remove as removePipeline } from "../pipelines/remove.ts"
import { removeBroken as brokenPipeline } from "../pipelines/removeBroken.ts"
import { Broken } from "../steps/broken/Broken.ts"
import type { StateRootError } from "../steps/caller/stateRoot.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import { ProcessesRemain } from "../steps/kill/errors.ts"
import { ProcessesListed } from "../steps/kill/facts.ts"
import { KillTarget } from "../steps/kill/KillTarget.ts"
import { NetworkStrategies } from "../steps/network/NetworkStrategies.ts"
import type { Strategy } from "../steps/network/Strategy.ts"
import { StillRunning } from "../steps/parent/checkStopped.ts"
import { reapWithin } from "../steps/parent/conversation.ts"
import { Removal } from "../steps/parent/Removal.ts"
import type { ProcessIdentity } from "../steps/proc/processes.ts"
import type { AnyContainerId } from "../steps/state/ContainerId.ts"
import type { NoContainer, ProcessUnseen, StateLocked, StateUntrusted } from "../steps/state/errors.ts"
import { checkRemovable } from "../steps/state/removal.ts"
import type { State } from "../steps/state/State.ts"
import * as Store from "../steps/state/Store.ts"
import { initOf, isOrphan, runnerOf, type Whereabouts } from "../steps/state/whereabouts.ts"
import { stateRoot } from "./caller.ts"
import { thenEnd, tryAll } from "./endings.ts"
import { processUnseen } from "./NotRunning.ts"

/** What {@link killContainer} can fail with. */
export type KillAllError = SyscallError | Failure<typeof killPipeline>

/** What {@link remove} can fail with. */
export type RemoveError =
  | StateRootError
  | Store.LoadError
  | StateLocked
  | NoContainer
  | StillRunning
  | ProcessUnseen
  | Cgroup.NotACgroup
  | Cgroup.CgroupNotEmpty
  | Cgroup.CgroupPathInvalid
  | Failure<typeof killPipeline>
  | Failure<typeof removePipeline>
  | Failure<typeof brokenPipeline>

/** Provides kinds of network in addition to the built-in ones. */
export const withStrategies =
  (added: ReadonlyArray<Strategy> | undefined) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    added === undefined || added.length === 0
      ? self
      : Effect.flatMap(
        NetworkStrategies,
        (known) => Effect.provideService(self, NetworkStrategies, [...added, ...known])
      )

/** How long a killed process may take to die, in milliseconds. */
const deathBound = 10_000

/**
 * Kills a child and reaps it. A wait that has failed may have reaped it before: then there is nothing left to kill.
 */
export const killAndReap = (
  { pid, pidfd }: { readonly pid: AnyPid; readonly pidfd: AnyPidfd }
): Effect.Effect<void, SyscallError | ProcessesRemain, Kernel> =>
  Effect.gen(function*() {
    yield* sys.pidfd_send_signal({ pidfd, signal: SIG.KILL }).pipe(orOn(["ESRCH"], undefined))
    // ENOSYS: a seccomp filter of this process forbids waitid(2); poll(2) still reports the end
    if ((yield* orOn(["ENOSYS"], null)(reapWithin(pidfd, deathBound))) !== null) return
    // another part of this program has reaped it, or it does not die
    const [ended] = yield* sys.poll({ fds: [pidfd], events: POLL.IN, timeout: 0 })
    if (ended === 0) return yield* new ProcessesRemain({ pids: [pid], states: ["?"], milliseconds: deathBound })
  })

/**
 * Kills all processes of a container, by its cgroups, and by its first process if that is known. Returns those that it found.
 */
export const killContainer = (
  { cgroup }: State,
  known: Whereabouts,
  children: ReadonlyArray<number> = []
): Effect.Effect<ReadonlyArray<ProcessIdentity>, KillAllError, Kernel> =>
  Effect.suspend(() => {
    // if the first process has ended, it may be a child of this process that nobody has reaped yet
    const init = known._tag === "Alive" ? known.process : known._tag === "Ended" ? known.zombie : undefined
    return Pipeline.run(killPipeline).pipe(
      Effect.provideService(KillTarget, { children, ...given({ cgroup, init }) }),
      Effect.map(Context.get(ProcessesListed))
    )
  })

const removeState = (removal: Removal["Service"], strategies?: ReadonlyArray<Strategy>) =>
  Pipeline.run(removePipeline).pipe(Effect.provideService(Removal, removal), withStrategies(strategies))

/** What the process that has started a container still knows about it. */
export interface Own {
  readonly pid: AnyPid
  readonly pidfd: AnyPidfd
  readonly state: State
}

/**
 * Removes a container that this process has started. Another command may have deleted it meanwhile, and its id may be
 * another container's by now.
 *
 * @param options.kill whether to kill what is left of its processes; if not, none is left
 * @param options.reaped whether its first process was reaped
 */
export const removeOwn = (
  root: string,
  { pid, pidfd, state }: Own,
  options: {
    readonly kill: boolean
    readonly reaped: boolean
    readonly strategies?: ReadonlyArray<Strategy> | undefined
  }
) => {
  let ended = options.reaped
  const end = tryAll<KillAllError | ProcessesRemain, Kernel>([
    Effect.flatMap(initOf(state), (known) => killContainer(state, known)),
    ...(options.reaped ? [] : [Effect.tap(killAndReap({ pid, pidfd }), () => Effect.sync(() => void (ended = true)))])
  ])
  let hasBegun = false
  const removal = Effect.suspend(() => {
    hasBegun = true
    return removeState({ state, stateRoot: root, ...(ended ? { ended } : {}) }, options.strategies)
  })
  return tryAll<RemoveError | ProcessesRemain, Kernel>([
    // processes are not identified by pid alone, so no lock is needed
    ...(options.kill ? [end] : []),
    Effect.catch(Store.withLock(root, state.id, removal), (error) => {
      if (hasBegun) return Effect.fail(error)
      // another command has deleted the container, but what it could not know about is still there
      if (error._tag === "ContainerNotFound") return removal
      // without the lock: no other command would remove it before this process has ended, and each thing is identified
      return thenEnd(Exit.fail(error), removal)
    })
  ])
}

/** Removes what is left of a container whose state can't be read: by the copy of its state, or by its id alone. */
const removeBroken = (root: string, id: string, missing: boolean, options: RemoveOptions = {}) =>
  Effect.gen(function*() {
    const copy = yield* Effect.result(Store.loadCopy(root, id))
    if (copy._tag === "Success") return yield* removeForced(root, copy.success, options)
    yield* removeEntry(root, id, missing ? "missing" : "damaged")
  })

/** Whether a process has joined the cgroup after all in it were killed, as the init of an unfinished start does. */
const isOccupied = (error: unknown): boolean => {
  const cause = rootCause(error)
  return cause instanceof Cgroup.CgroupNotEmpty && cause.pids.length > 0
}

/** Kills and removes; if a process has joined in between, does so a second time. */
const withLateComers = <A, E, R>(removal: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.catchIf(removal, isOccupied, () => removal)

const removeEntry = (stateRoot: string, id: string, left: Broken["Service"]["left"]) =>
  Effect.asVoid(
    withLateComers(Pipeline.run(brokenPipeline)).pipe(Effect.provideService(Broken, { id, stateRoot, left }))
  )

/** Kills and removes, if the processes to kill are known. */
const removeForced = (root: string, state: State, { children, strategies }: RemoveOptions) =>
  Effect.gen(function*() {
    const known = yield* initOf(state)
    if (known._tag === "Unseen" && state.cgroup === undefined) return yield* processUnseen(state, known)
    yield* withLateComers(Effect.andThen(
      killContainer(state, known, children),
      removeState({ state, stateRoot: root, ended: true }, strategies)
    ))
  })

/** How long a forced removal waits for another command on the same container, in milliseconds. */
const forcePatience = 3000

/**
 * How a container is removed.
 *
 * @since 0.2.0
 */
export interface RemoveOptions {
  readonly force?: boolean
  /** The kinds of network that it was started with: they remove what they have made. */
  readonly strategies?: ReadonlyArray<Strategy>
  /**
   * Processes that the caller has started in the container by `start` and does not wait for yet. The container can't end
   * before they are reaped, and only the caller can do that.
   */
  readonly children?: ReadonlyArray<number>
}

/** Removes a container whose lock is held. */
const removeLocked = (root: string, id: string, options: RemoveOptions) =>
  Effect.gen(function*() {
    const { force = false } = options
    const loaded = yield* Effect.result(Store.load(root, id))
    if (loaded._tag === "Failure") {
      return yield* force && loaded.failure._tag === "StateCorrupt"
        ? removeBroken(root, id, loaded.failure.missing === true, options)
        : Effect.fail(loaded.failure)
    }
    const state = loaded.success
    if (force) return yield* removeForced(root, state, options)
    // one that ends between the first look and the removal may leave processes behind, which the second look kills
    yield* withLateComers(removeStopped(root, state, options))
  })

/** Removes a container that has stopped. */
const removeStopped = (root: string, state: State, { children, strategies }: RemoveOptions) =>
  Effect.gen(function*() {
    const { id } = state
    const known = yield* initOf(state)
    if (known._tag === "None" && state.runner !== undefined && (yield* runnerOf(state))._tag !== "Ended") {
      return yield* new StillRunning({ id, status: "creating" })
    }
    // if the container had no pid namespace of its own, processes may be left in its cgroup
    if (known._tag === "Ended") yield* killContainer(state, known, children)
    yield* removeState({ state, stateRoot: root }, strategies)
  })

/**
 * Removes a container that has stopped. `force` kills it first, does not fail if it is gone, and also removes one whose state
 * can't be read.
 *
 * @since 0.2.0
 */
export const remove = (
  id: AnyContainerId,
  options: RemoveOptions & { readonly stateRoot?: string } = {}
): Effect.Effect<void, RemoveError | StateUntrusted, Kernel> =>
  act("Runtime.remove", { "container.id": id })(removeById(id, options))

const removeById = Effect.fnUntraced(function*(
  id: string,
  options: RemoveOptions & { readonly stateRoot?: string }
): Effect.fn.Return<void, RemoveError | StateUntrusted, Kernel> {
  const root = options.stateRoot ?? (yield* stateRoot)
  const act = removeLocked(root, id, options)
  const locked = options.force === true
    // a command that hangs while it holds the lock must not keep the container alive: each thing is identified first
    ? Effect.catchTag(Store.withLock(root, id, act, { milliseconds: forcePatience }), "StateLocked", () => act)
    : Store.withLock(root, id, act)
  const removal = Effect.asVoid(locked).pipe(
    // the entry is no directory: there is nothing to lock, and no container
    onErrno(
      ["ENOTDIR", "ELOOP"],
      (): Effect.Effect<void, RemoveError, Kernel> =>
        options.force === true ? checkRemovable(root, id) : Effect.asVoid(Store.load(root, id))
    )
  )
  yield* options.force === true ? Effect.catchTag(removal, "ContainerNotFound", () => Effect.void) : removal
})

/**
 * Removes a container that has no owner any more. Returns `false` if its id is another container's by now, or if it runs, unless
 * the runtime that was to stay with it has ended.
 *
 * @param judged the state that was judged; `undefined` if it had none
 */
export const removeJudged = (
  root: string,
  id: string,
  judged: State | undefined,
  { strategies }: Pick<RemoveOptions, "strategies"> | { readonly strategies: undefined }
): Effect.Effect<boolean, RemoveError, Kernel> =>
  Store.withLock(
    root,
    id,
    Effect.gen(function*() {
      const now = yield* Effect.result(Store.load(root, id))
      if (judged === undefined) {
        if (now._tag === "Success" || now.failure._tag !== "StateCorrupt" || now.failure.missing !== true) return false
        yield* removeBroken(root, id, true)
        return true
      }
      if (now._tag === "Failure") return yield* Effect.fail(now.failure)
      const state = now.success
      if (state.nonce !== judged.nonce) return false
      if ((yield* initOf(state))._tag === "Alive" && !(yield* isOrphan(state))) return false
      // what has ended may be a child of this process that a thread has left behind
      yield* removeForced(root, state, strategies === undefined ? {} : { strategies })
      return true
    })
  )
