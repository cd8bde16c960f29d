/**
 * How a process starts another that continues in the same program.
 *
 * `clone` as a bare call returns twice, which only the real kernel can do. This service takes the child's part as an
 * Effect of its own, so that the model kernel can run both sides too.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { AnyFd, AnyPid } from "./Handle.ts"
import type { SyscallError } from "./Kernel.ts"

/** A child that was started. */
export interface Started {
  readonly pid: AnyPid
  /** Runs the child's Effect. It does not end by itself when the process does: see {@link Started.forget}. */
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /**
   * Says that the process has ended, has become a program, or is not needed any more. What still runs of its Effect is
   * interrupted; its end is awaited for a second at most. Its finalizers run, and each call that they make is interrupted.
   * If the process still lives, it gets no further call, and ends.
   */
  readonly forget: Effect.Effect<void>
}

/** Makes one `clone` call, and runs an Effect in the new process: see {@link Fork}. */
export type Start = <R>(
  flags: number,
  child: Effect.Effect<unknown, unknown, R>,
  descriptors?: ReadonlyArray<AnyFd>
) => Effect.Effect<Started, SyscallError, R>

/** Starts children. */
export class Fork extends Context.Service<Fork, {
  /**
   * Makes one `clone` call with the flags (`CLONE_NEW*`), and runs `child` in the new process; returns the child's pid.
   *
   * The child's Effect runs until it has to wait before the parent continues; then either continues when the other one waits.
   * All of its calls are made by the child, and change the child. Everything else, such as `node:fs`, is done by this
   * process, and blocks it until the Effect waits. The Effect ends with `execve` or `exit_group`, and nothing of it runs
   * after that. If it ends in any other way, the child exits with status 255.
   *
   * The child has all descriptors of this process. If `descriptors` are passed, it has these and the standard streams only.
   * A process that becomes part of a container is started in this way: another process of that container may look at it,
   * and take what it finds.
   */
  readonly spawn: <R>(
    flags: number,
    child: Effect.Effect<unknown, unknown, R>,
    descriptors?: ReadonlyArray<AnyFd>
  ) => Effect.Effect<AnyPid, SyscallError, R>
  /** As `spawn`; returns what there is of the child in this process, too. */
  readonly start: Start
}>()("runfx/Fork") {}

/**
 * The result of a call in a process that has ended or has become a program: none, until its fiber is interrupted.
 * In a finalizer, the fiber is interrupted already.
 */
export const nothingMore: Effect.Effect<never> = /* @__PURE__ */ Effect.interruptible(Effect.never)

/** The service, from a way to start one child. */
export const make = (start: Start): Fork["Service"] => ({
  start,
  spawn: (flags, child, descriptors) => Effect.map(start(flags, child, descriptors), ({ pid }) => pid)
})
