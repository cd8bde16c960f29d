/**
 * What the steps that send a signal to a container hand to each other.
 *
 * @category facts
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import type { CgroupManager } from "../cgroup/Cgroup.ts"
import type { ProcessIdentity } from "../proc/processes.ts"

/** Who gets which signal. */
export class SignalTarget extends Context.Service<SignalTarget, {
  readonly signal: number
  /** The container's first process, which lives. */
  readonly init: ProcessIdentity
  /** The container's cgroups; absent if it has none. */
  readonly cgroup?: CgroupManager
  /** Whether every process of the cgroups gets it, and not the first process alone. */
  readonly all: boolean
}>()("runfx/SignalTarget") {}

/** No process of the container is kept by the freezer from acting on the signal. */
export class CanContinue extends Context.Service<CanContinue, true>()("runfx/CanContinue") {}

/** The processes that get the signal. */
export class Receivers extends Context.Service<Receivers, ReadonlyArray<ProcessIdentity>>()("runfx/Receivers") {}
