/**
 * What the steps of the parent hand to each other.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Event } from "../../engine/Events.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"

/** The two ends of the channel to the init. */
export class Channel extends Context.Service<Channel, {
  readonly parent: number
  readonly child: number
  /** Closes the end, once: later it does nothing. */
  readonly closeParent: Effect.Effect<void, SyscallError, Kernel>
  readonly closeChild: Effect.Effect<void, SyscallError, Kernel>
}>()("runfx/Channel") {}

/** The process that clone(2) made. */
export class ClonedProcess extends Context.Service<ClonedProcess, {
  readonly pid: number
  readonly pidfd: number
  /** What its steps have told so far. */
  readonly events: ReadonlyArray<Event>
}>()("runfx/ClonedProcess") {}

/** The process may use its ids: the maps of its user namespace are written, or it has none of its own. */
export class IdsMapped extends Context.Service<IdsMapped, true>()("runfx/IdsMapped") {}

/**
 * The process that is inside all of its namespaces: the cloned one, or the one that it cloned on its way into a pid
 * namespace. This is the container's init, or the process that exec adds.
 */
export class EnteredProcess extends Context.Service<EnteredProcess, {
  /** As the parent sees it. */
  readonly pid: number
  readonly pidfd: number
}>()("runfx/EnteredProcess") {}

/** The program runs. The events tell what the init did on the way. */
export class Started extends Context.Service<Started, {
  readonly events: ReadonlyArray<Event>
}>()("runfx/Started") {}
