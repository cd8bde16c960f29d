/**
 * How a pipeline fails: which step, why, what was undone, what could not be.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"

/** A compensation that failed; it rides beside the first error, never instead of it. */
export interface RollbackFailure {
  /** The step whose compensation failed. */
  readonly step: string
  readonly cause: Cause.Cause<unknown>
}

/**
 * The failure of a pipeline.
 *
 * `reason` is the error of the step that failed, as that step's type says; `Effect.catchReason` reaches into it.
 */
export class PipelineError<out E = unknown> extends Data.TaggedError("PipelineError")<{
  readonly pipeline: string
  /** The step that failed. */
  readonly step: string
  readonly reason: any
  /** What an operator can do about it, where the step or the call knows. */
  readonly advice: string | undefined
  /** Steps whose work was taken back, in the order in which that was done. */
  readonly undone: ReadonlyArray<string>
  /** Irreversible steps that had been done: the process must exit. */
  readonly residue: ReadonlyArray<string>
  readonly rollback: ReadonlyArray<RollbackFailure>
}> {
  declare readonly reason: E
  override get message(): string {
    const lines = [`${this.pipeline}: ${this.step}: ${textOf(this.reason)}`]
    // an error that came from another process's pipeline brings its own advice
    if (this.advice !== undefined && !lines[0]!.includes(this.advice)) lines.push(`  what to do: ${this.advice}`)
    for (const { cause, step } of this.rollback) {
      lines.push(`  and then undoing ${step} failed: ${textOf(Cause.squash(cause))}`)
    }
    return lines.join("\n")
  }
}

/**
 * The error at the bottom: through the pipeline of the parent, and that of the init whose failure it reports.
 */
export const rootCause = (error: unknown): unknown => error instanceof PipelineError ? rootCause(error.reason) : error

const textOf = (error: unknown): string => error instanceof globalThis.Error ? error.message : String(error)

/** A pipeline assembled from data that can't run: which rules it breaks, all of them. */
export class InvalidPipelineError extends Data.TaggedError("InvalidPipelineError")<{
  readonly pipeline: string
  readonly problems: ReadonlyArray<string>
}> {
  override get message(): string {
    return `${this.pipeline}: this pipeline can't run:\n${this.problems.map((problem) => `  ${problem}`).join("\n")}`
  }
}
