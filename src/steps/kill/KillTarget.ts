/**
 * The input of the pipeline that kills a container.
 *
 * @category facts
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { CgroupManager } from "../cgroup/Cgroup.ts"
import type { ProcessIdentity } from "../proc/processes.ts"

/** The container to kill. */
export class KillTarget extends Context.Service<KillTarget, {
  /** The container's cgroups; absent if it has none. Then only the init is killed, and the kernel kills its pid namespace. */
  readonly cgroup?: CgroupManager
  /** The container's first process; absent if there is none yet. */
  readonly init?: ProcessIdentity
  /**
   * Other processes of the container that are children of the caller and that nobody else waits for: those that were
   * executed in it. While one of them is a zombie, the init of its pid namespace can't end.
   */
  readonly children: ReadonlyArray<number>
  /** How long to wait for the processes to end, in milliseconds; 10 s if absent. */
  readonly patience?: number
}>()("runfx/KillTarget") {}
