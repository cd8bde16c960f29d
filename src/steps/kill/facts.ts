/**
 * What the steps of a kill hand to each other.
 *
 * @category facts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { ChildStatus } from "../../native/results.ts"
import type { ProcessIdentity } from "../proc/processes.ts"

/**
 * Whether the container's processes are frozen.
 *
 * @since 0.2.0
 */
export class Frozen extends Context.Service<Frozen, {
  readonly frozen: boolean
  /** Why not, if a freeze was tried. */
  readonly reason?: string
}>()("runfx/Frozen") {}

/**
 * The container's processes.
 *
 * @since 0.2.0
 */
export class ProcessesListed
  extends Context.Service<ProcessesListed, ReadonlyArray<ProcessIdentity>>()("runfx/ProcessesListed")
{}

/** SIGKILL was sent to every process. */
export class Signalled extends Context.Service<Signalled, true>()("runfx/Signalled") {}

/**
 * Nothing is frozen any more.
 *
 * @since 0.2.0
 */
export class Thawed extends Context.Service<Thawed, true>()("runfx/Thawed") {}

/**
 * All have ended. The value has the status of each that was a child of the caller.
 *
 * @since 0.2.0
 */
export class Reaped extends Context.Service<Reaped, ReadonlyArray<ChildStatus>>()("runfx/Reaped") {}
