/**
 * What can go wrong with a kill, alongside the calls that the kernel refuses.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"

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
      : "the first process of a pid namespace can't end until every process that was executed in it is reaped by its " +
        "parent; otherwise /proc/<pid>/stack shows what they wait for"
  }
  override get message(): string {
    const list = this.pids.slice(0, 10).map((pid, index) => `${pid} (${this.states[index] ?? "?"})`).join(", ")
    const more = this.pids.length > 10 ? ` and ${this.pids.length - 10} more` : ""
    return `${this.pids.length} processes have not ended ${this.milliseconds} ms after SIGKILL: ${list}${more}`
  }
}
