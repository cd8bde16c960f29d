/** How a seccomp configuration can be wrong. */
import * as Data from "effect/Data"

/** A seccomp configuration that can't be made into a filter. */
export class SeccompError extends Data.TaggedError("SeccompError")<{
  /** Where in the configuration: `linux.seccomp.syscalls[3].action`. */
  readonly field: string
  /** What stands there. */
  readonly value: string
  /** Why it can't be used. */
  readonly problem: string
  /** What to do. */
  readonly advice: string
}> {
  override get message(): string {
    return `${this.field}: ${JSON.stringify(this.value)} ${this.problem}`
  }
}
