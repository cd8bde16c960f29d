/**
 * How a seccomp configuration can be wrong.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"

/** A seccomp configuration that can't be made into a filter. */
export class SeccompError extends Data.TaggedError("SeccompError")<{
  /** Where in the configuration: `linux.seccomp.syscalls[3].action`. */
  readonly field: string
  /** What is there. */
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

/**
 * What was read of a configuration, or what is wrong with it.
 *
 * @since 0.2.0
 */
export type Checked<A> = Result.Result<A, SeccompError>

/**
 * Refuses a value; `field` is its place below `linux.seccomp`.
 *
 * @since 0.2.0
 */
export const refuse = (field: string, value: string, problem: string, advice: string): Checked<never> =>
  Result.fail(new SeccompError({ field: `linux.seccomp.${field}`, value, problem, advice }))
