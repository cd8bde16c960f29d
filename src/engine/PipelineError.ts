/**
 * How a pipeline fails: which step, why, what was undone, and what could not be undone.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import { textOf } from "./errorText.ts"

/** A compensation that failed. It is listed beside the first error and never replaces it. */
export interface RollbackFailure {
  /** The step whose compensation failed. */
  readonly step: string
  readonly cause: Cause.Cause<unknown>
}

/**
 * A step, and the pipeline that it is part of.
 *
 * @since 0.2.0
 */
export interface Place {
  readonly pipeline: string
  readonly step: string
}

/**
 * The step in which a defect occurred. It annotates the cause, since a defect is not a pipeline's typed error.
 *
 * @since 0.2.0
 */
export class DiedIn extends Context.Service<DiedIn, Place>()("runfx/DiedIn") {}

/**
 * The failure of a pipeline.
 *
 * `reason` is the error of the step that failed, as that step's type says. Some steps report the failure of another
 * pipeline, as the parent's steps do for the init. Then `reason` is that of the other pipeline, and `path` leads to it.
 *
 * **Example** (One error among many)
 *
 * ```ts
 * const code = Runtime.run(options).pipe(
 *   Effect.map(({ code }) => code),
 *   Effect.catchReason("PipelineError", "ProgramNotFound", () => Effect.succeed(127))
 * )
 * ```
 */
export class PipelineError<out E = unknown> extends Data.TaggedError("PipelineError")<{
  readonly pipeline: string
  /** The step that failed. */
  readonly step: string
  readonly reason: any
  /** What an operator can do about it, if the step or the call knows. */
  readonly advice: string | undefined
  /** Steps that were undone, in the order of undoing. */
  readonly undone: ReadonlyArray<string>
  /** Irreversible steps that had been done: the process must exit. */
  readonly residue: ReadonlyArray<string>
  readonly rollback: ReadonlyArray<RollbackFailure>
  /** The failure of another pipeline, if the step reports that. */
  readonly cause?: PipelineError
}> {
  declare readonly reason: E

  /** The steps from this pipeline's to the one that failed first. */
  get path(): readonly [Place, ...ReadonlyArray<Place>] {
    const { cause, pipeline, step } = this
    return [{ pipeline, step }, ...cause?.path ?? []]
  }

  override get message(): string {
    return render(this)
  }
}

/**
 * The failure of the pipeline in which it began; the pipelines around it only report it.
 *
 * @since 0.2.0
 */
export const innermost = (error: PipelineError): PipelineError =>
  error.cause === undefined ? error : innermost(error.cause)

/** What has happened: the path to the step, and the first error. */
const headline = (error: unknown): string =>
  error instanceof PipelineError
    ? [...error.path.flatMap(({ pipeline, step }) => [pipeline, step]), textOf(error.reason)].join(": ")
    : textOf(error)

const undoings = (error: PipelineError): ReadonlyArray<string> => [
  ...error.cause === undefined ? [] : undoings(error.cause),
  ...error.rollback.map(({ cause, step }) => `  and then undoing ${step} failed: ${textOf(Cause.squash(cause))}`)
]

/** What to do about an error. The outermost pipeline says it. */
const adviceOf = (error: unknown): string | undefined => {
  const advice = typeof error === "object" && error !== null && "advice" in error ? error.advice : undefined
  return typeof advice === "string" ? advice : undefined
}

/**
 * An error as text: what has happened, what to do about it, and what failed while it was undone.
 *
 * @since 0.2.0
 */
export const render = (error: unknown): string => {
  const advice = adviceOf(error)
  return [
    headline(error),
    ...(advice === undefined ? [] : [`  what to do: ${advice}`]),
    ...error instanceof PipelineError ? undoings(error) : []
  ]
    .join("\n")
}

/** The first error: that of the step that failed first. */
export const rootCause = (error: unknown): unknown => error instanceof PipelineError ? error.reason : error

/**
 * The exit code of an error: the one it names itself (126, 127), else 1. It may come from a process of the container: no
 * error is a success, and no number ends in one of Node's own errors.
 *
 * @since 0.2.0
 */
export const exitCodeOf = (error: unknown): number => {
  const cause = rootCause(error)
  const code = typeof cause === "object" && cause !== null && "exitCode" in cause ? cause.exitCode : undefined
  return typeof code === "number" && Number.isInteger(code) && code >= 1 && code <= 255 ? code : 1
}

/** A pipeline assembled from data that can't run, with all rules that it breaks. */
export class InvalidPipelineError extends Data.TaggedError("InvalidPipelineError")<{
  readonly pipeline: string
  readonly problems: ReadonlyArray<string>
}> {
  override get message(): string {
    return `${this.pipeline}: this pipeline can't run:\n${this.problems.map((problem) => `  ${problem}`).join("\n")}`
  }
}
