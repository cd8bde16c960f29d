/**
 * Errors as classes: each has a code for programs, and says what to do.
 *
 * @category errors
 * @since 0.2.0
 */

/** What went wrong with a sandbox. */
export class SandboxError extends Error {
  override readonly name: string = "SandboxError"
  /** `"INVALID"`, `"UNAVAILABLE"`, the name of an errno, or a word for what has failed, such as `"ProgramNotFound"`. */
  readonly code: string
  /** The step of the start that has failed, with those around it; empty if it was none. */
  readonly step: string
  /** What to do about it, if that is known. */
  readonly advice: string | undefined

  constructor(message: string, fields: { code: string; step?: string; advice?: string | undefined; cause?: unknown }) {
    super(message, fields.cause === undefined ? {} : { cause: fields.cause })
    this.code = fields.code
    this.step = fields.step ?? ""
    this.advice = fields.advice
  }
}

/** One thing that is wrong with a description. */
export interface Problem {
  /** In the words of the description: `limits.memory`. */
  readonly path: string
  readonly value?: unknown
  /** What it must be. */
  readonly rule: string
}

/** A description, a command or options that are wrong; the message has a line for each problem. */
export class InvalidSandboxError extends SandboxError {
  override readonly name = "InvalidSandboxError"
  readonly problems: ReadonlyArray<Problem>

  constructor(message: string, problems: ReadonlyArray<Problem>, advice?: string) {
    super(message, { code: "INVALID", advice })
    this.problems = problems
  }
}

/** Something that is asked for is not available to this caller on this host. */
export class SandboxUnavailableError extends SandboxError {
  override readonly name = "SandboxUnavailableError"
  /** In the words of the description: `limits.memory`. */
  readonly what: ReadonlyArray<string>

  constructor(message: string, what: ReadonlyArray<string>, advice: string, cause: unknown) {
    super(message, { code: "UNAVAILABLE", advice, cause })
    this.what = what
  }
}
