/**
 * What the steps that send a signal to a container hand to each other.
 *
 * @category facts
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type { CgroupManager } from "../cgroup/Cgroup.ts"
import type { ProcessIdentity } from "../proc/processes.ts"

/** A signal, and the container that gets it. */
export class SignalTarget extends Context.Service<SignalTarget, {
  readonly signal: number
  /** The container's first process, which lives. */
  readonly init: ProcessIdentity
  /** The container's cgroups; absent if it has none. */
  readonly cgroup?: CgroupManager
  /** Whether every process of the cgroups gets it, and not only the first one. */
  readonly all: boolean
}>()("runfx/SignalTarget") {}

/** If the signal is SIGCONT, no process of the container is frozen any more. */
export class CanContinue extends Context.Service<CanContinue, true>()("runfx/CanContinue") {}

/** The processes that get the signal. */
export class Receivers extends Context.Service<Receivers, ReadonlyArray<ProcessIdentity>>()("runfx/Receivers") {}
