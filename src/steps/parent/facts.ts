/**
 * What the steps of the parent hand to each other.
 *
 * @category facts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Process } from "../../config/Container.ts"
import type { Event } from "../../engine/Events.ts"
import type { AnyPid, AnyPidfd } from "../../native/Handle.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import type { Report } from "../init/initMain.ts"
import type { Created } from "../network/Strategy.ts"
import { ContainerNotFound } from "../state/errors.ts"
import type { State } from "../state/State.ts"

/** The two ends of the channel, as descriptors of this process. */
export class Channel extends Context.Service<Channel, {
  readonly parent: number
  readonly child: number
  /** Closes the end. A second call does nothing. */
  readonly closeParent: Effect.Effect<void, SyscallError, Kernel>
  readonly closeChild: Effect.Effect<void, SyscallError, Kernel>
}>()("runfx/Channel") {}

/** The process that clone(2) made. */
export class ClonedProcess extends Context.Service<ClonedProcess, {
  readonly pid: AnyPid
  readonly pidfd: AnyPidfd
  /** When its start must be over, in milliseconds of the clock: see `Launch.patience`. */
  readonly deadline: number
  /** Lets its effect continue with what it has answered: see `Fork`. */
  readonly catchUp: Effect.Effect<void>
  /** Ends what is left of its effect: see `Fork`. */
  readonly forget: Effect.Effect<void>
  /** What its steps report, and the errors that they fail with. */
  readonly report: Report
}>()("runfx/ClonedProcess") {}

/** The process may use its ids: the maps of its user namespace are written, or it has none of its own. */
export class IdsMapped extends Context.Service<IdsMapped, true>()("runfx/IdsMapped") {}

/**
 * The process that is inside all of its namespaces: the cloned one, or the one that it cloned on its way into a pid
 * namespace. This is the container's init, or the process that exec adds.
 */
export class EnteredProcess extends Context.Service<EnteredProcess, {
  /** Its pid as the parent sees it. */
  readonly pid: AnyPid
  readonly pidfd: AnyPidfd
  /** As those of the cloned process. */
  readonly deadline: number
  readonly report: Report
}>()("runfx/EnteredProcess") {}

/**
 * The process ends with its caller, if that stays with it.
 *
 * @since 0.2.0
 */
export class Guarded extends Context.Service<Guarded, true>()("runfx/Guarded") {}

/**
 * The parent has done its part in the namespaces, and the init sets the container up.
 *
 * @since 0.3.0
 */
export class InitContinues extends Context.Service<InitContinues, true>()("runfx/InitContinues") {}

/**
 * The init has done all that it can do without its program.
 *
 * @since 0.2.0
 */
export class InitWaits extends Context.Service<InitWaits, true>()("runfx/InitWaits") {}

/**
 * The program is known, and the init has got it.
 *
 * @since 0.2.0
 */
export class HandedOut extends Context.Service<HandedOut, {
  readonly process: Process
  /** When it must run, in milliseconds of the clock. The time that the init waited for it does not count. */
  readonly deadline: number
}>()("runfx/HandedOut") {}

/** The program runs. The events say what the init did on the way. */
export class Started extends Context.Service<Started, {
  readonly events: ReadonlyArray<Event>
}>()("runfx/Started") {}

/**
 * The container's first process has ended.
 *
 * @since 0.2.0
 */
export class Stopped extends Context.Service<Stopped, true>()("runfx/Stopped") {}

/** What the networks added to the host, and what has to be removed at the end. */
export class HostNetworks extends Context.Service<HostNetworks, ReadonlyArray<Created>>()("runfx/HostNetworks") {}

/** The container's cgroups; absent if its configuration asks for none. */
export class ContainerCgroup extends Context.Service<ContainerCgroup, {
  readonly manager: Cgroup.CgroupManager | undefined
}>()("runfx/ContainerCgroup") {}

/** Changes what is written down of a container. Fails if another command has deleted it meanwhile. */
type Note = (
  change: (known: State) => State
) => Effect.Effect<State, SyscallError | ContainerNotFound, Kernel>

/** The container's directory is there, and its id is taken. */
export class StateDirectory extends Context.Service<StateDirectory, {
  readonly path: string
  readonly note: Note
  /** As `note`, once the state is complete: a copy is kept as well, from which the container can be removed. */
  readonly complete: Note
  /** Whether no other command has deleted it. */
  readonly isStillOurs: Effect.Effect<boolean, SyscallError, Kernel>
  readonly letGo: Effect.Effect<void, SyscallError, Kernel>
}>()("runfx/StateDirectory") {}

/** The container's state is on disk. */
export class SavedState extends Context.Service<SavedState, State>()("runfx/SavedState") {}
