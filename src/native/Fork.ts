/**
 * How a process starts another that goes on in the same program.
 *
 * `clone` as a bare call returns twice, which only the real kernel can do. This service gives the child's part as an
 * Effect of its own, so that the model kernel can run both sides too.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { SyscallError } from "./Kernel.ts"

/** The flags with which Node has one thread, and V8 none of its own, so that a fork is whole. */
export const forkFlags: ReadonlyArray<string> = ["--single-threaded", "--v8-pool-size=0"]

/** This process was not started in the way that lets it fork itself. */
export class NotForkable extends Data.TaggedError("NotForkable")<{
  /** The flags of Node that are missing. */
  readonly missing: ReadonlyArray<string>
}> {
  override get message(): string {
    return `this Node process can't fork itself: it was started without ${this.missing.join(" ")}`
  }
  get advice(): string {
    return `start it as: node ${forkFlags.join(" ")} FILE`
  }
}

/** Starts children. */
export class Fork extends Context.Service<Fork, {
  /**
   * Makes one `clone` call with the flags (`CLONE_NEW*`), and runs `child` in the new process; gives the child's pid.
   *
   * On the live kernel the child is a copy of this process with one thread. There `child` runs synchronously and must end
   * with `execve` or `exit_group`; whatever it does otherwise, the child exits with status 255.
   */
  readonly spawn: <R>(
    flags: number,
    child: Effect.Effect<unknown, unknown, R>
  ) => Effect.Effect<number, SyscallError | NotForkable, R>
}>()("runfx/Fork") {}
