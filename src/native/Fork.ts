/**
 * How a process starts another that goes on in the same program.
 *
 * `clone` as a bare call returns twice, which only the real kernel can do. This service gives the child's part as an
 * Effect of its own, so that the model kernel can run both sides too.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { SyscallError } from "./Kernel.ts"

/** Starts children. */
export class Fork extends Context.Service<Fork, {
  /**
   * Makes one `clone` call with the flags (`CLONE_NEW*`), and runs `child` in the new process; gives the child's pid.
   *
   * The child's Effect runs until it has to wait before the parent goes on; then either goes on when the other one waits.
   * All of its calls are made by the child: what they change is the child's. What it does otherwise, by `node:fs` for
   * instance, is done by this process, and as long as it never waits it holds this process up. It ends with `execve` or
   * `exit_group`, after which nothing of its Effect runs any more; whatever it comes to otherwise, the child exits with
   * status 255.
   */
  readonly spawn: <R>(
    flags: number,
    child: Effect.Effect<unknown, unknown, R>
  ) => Effect.Effect<number, SyscallError, R>
}>()("runfx/Fork") {}
