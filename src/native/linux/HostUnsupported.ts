/**
 * A machine on which no call can be made.
 *
 * @category errors
 * @since 0.2.0
 */
import * as Data from "effect/Data"

/**
 * This machine can't run containers by this library: it is no Linux on x86-64 or arm64, or the addon that makes calls can't be
 * loaded. The model kernel of `runfx/testing` runs everywhere.
 */
export class HostUnsupported extends Data.TaggedError("HostUnsupported")<{
  readonly problem: string
  readonly advice: string
  readonly cause?: unknown
}> {
  override get message(): string {
    return this.problem
  }
}
