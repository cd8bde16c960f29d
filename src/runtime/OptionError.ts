/** An option of a command can't be used. */
import * as Data from "effect/Data"

/** An option that can't be used. */
export class OptionError extends Data.TaggedError("OptionError")<{
  readonly option: string
  readonly value: string
  readonly rule: string
}> {
  override get message(): string {
    return `${this.option} ${this.value}: ${this.rule}`
  }
}
