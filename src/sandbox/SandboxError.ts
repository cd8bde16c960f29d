/**
 * How a sandbox fails: it is described wrongly, this host can't have it, or its start has failed.
 *
 * @category errors
 * @since 0.2.0
 */
import * as Data from "effect/Data"
import { type Problem, render } from "../config/ConfigError.ts"

/** A description that can't be run. The message has one line for each problem, in the words of the description. */
export class InvalidSandbox extends Data.TaggedError("InvalidSandbox")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    return this.problems.map(render).join("\n")
  }
  get advice(): string {
    return "correct the description: docs/sandbox.md has all of its words"
  }
}

/** The sandbox asks for something that this caller can't have on this host. */
export class SandboxUnavailable extends Data.TaggedError("SandboxUnavailable")<{
  /** The words of the description: `limits.memory`. */
  readonly what: ReadonlyArray<string>
  readonly why: string
  readonly advice: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return `${this.what.join(" and ")} can't be had here: ${this.why}`
  }
}

/** A sandbox that could not be started, or whose end failed: nothing of it is left, unless the message says so. */
export class SandboxFailed extends Data.TaggedError("SandboxFailed")<{
  /** The step that failed, with those around it: `create/releaseInit/standard/findProgram`; empty if it was none. */
  readonly step: string
  /** A word for programs: an errno, or the tag of the error. */
  readonly code: string
  readonly problem: string
  readonly advice?: string
  readonly cause: unknown
}> {
  override get message(): string {
    return this.step === "" ? this.problem : `${this.step.replaceAll("/", ": ")}: ${this.problem}`
  }
}

/** A stream of a sandbox has failed: its program has closed standard input, or has ended. */
export class SandboxStreamError extends Data.TaggedError("SandboxStreamError")<{
  readonly stream: "stdin" | "stdout" | "stderr" | `fd${number}`
  readonly code: string
}> {
  override get message(): string {
    return this.code === "EPIPE"
      ? `${this.stream}: nobody reads it any more: the program has closed it, or has ended`
      : `${this.stream} has failed: ${this.code}`
  }
  get advice(): string {
    return "look at how the program has ended"
  }
}

/** There is no exit code: a signal has ended the program. */
export class EndedBySignal extends Data.TaggedError("EndedBySignal")<{
  /** As `"SIGKILL"`. */
  readonly signal: string
}> {
  override get message(): string {
    return `the program was ended by ${this.signal}`
  }
  get advice(): string {
    return "exit tells how it has ended: whether its time or its memory was used up"
  }
}

/** All that the functions of this module fail with. */
export type SandboxError = InvalidSandbox | SandboxUnavailable | SandboxFailed
