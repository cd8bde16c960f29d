/**
 * What the kill pipeline takes, and what its steps hand to each other.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type { ChildStatus } from "../../native/calls.ts"
import type { CgroupManager } from "../cgroup/Cgroup.ts"
import type { ProcessIdentity } from "../processes.ts"

/** Whom to kill. */
export class KillTarget extends Context.Service<KillTarget, {
  /** The container's cgroups; absent where it has none: then only the init is killed, and its pid namespace with it. */
  readonly cgroup?: CgroupManager
  /** The container's first process; absent where there is none yet. */
  readonly init?: ProcessIdentity
  /**
   * Other processes of the container that are children of the caller and that nobody else waits for: those that were
   * executed in it. While one of them is a zombie, the init of its pid namespace can't end.
   */
  readonly children: ReadonlyArray<number>
  /** How long to wait for the processes to end, in milliseconds; 10 s if absent. */
  readonly patience?: number
}>()("runfx/KillTarget") {}

/** Whether the container's processes stand still. */
export class Frozen extends Context.Service<Frozen, {
  readonly frozen: boolean
  /** Why not, where that was tried. */
  readonly reason?: string
}>()("runfx/Frozen") {}

/** The container's processes. */
export class Listed extends Context.Service<Listed, ReadonlyArray<ProcessIdentity>>()("runfx/Listed") {}

/** Every process has its SIGKILL. */
export class Signalled extends Context.Service<Signalled, true>()("runfx/Signalled") {}

/** Nothing is frozen any more. */
export class Thawed extends Context.Service<Thawed, true>()("runfx/Thawed") {}

/** All have ended. How those ended that were children of the caller. */
export class Reaped extends Context.Service<Reaped, ReadonlyArray<ChildStatus>>()("runfx/Reaped") {}

/** Processes are still there although they were killed. */
export class ProcessesRemain extends Data.TaggedError("ProcessesRemain")<{
  readonly pids: ReadonlyArray<number>
  /** The state letter of each, as ps(1) shows it. */
  readonly states: ReadonlyArray<string>
  readonly milliseconds: number
}> {
  get advice(): string {
    return this.states.includes("D")
      ? "a process in uninterruptible sleep (D) waits for a device or a file server: it ends when that answers"
      : "the first process of a pid namespace can't end before those executed in it are waited for by who started them; " +
        "else see what they wait for in /proc/<pid>/stack"
  }
  override get message(): string {
    const list = this.pids.slice(0, 10).map((pid, index) => `${pid} (${this.states[index] ?? "?"})`).join(", ")
    const more = this.pids.length > 10 ? ` and ${this.pids.length - 10} more` : ""
    return `${this.pids.length} processes have not ended ${this.milliseconds} ms after SIGKILL: ${list}${more}`
  }
}
