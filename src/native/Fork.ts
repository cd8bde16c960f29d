/**
 * How a process starts another one that continues in the same program.
 *
 * `clone` as a bare call returns twice, which only the real kernel can do. This service takes the child's part as an
 * Effect of its own, so that the model kernel can run both sides too.
 *
 * @category processes
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { AnyFd, AnyPid, AnyPidfd } from "./Handle.ts"
import type { SyscallError } from "./Kernel.ts"

/**
 * A descriptor that a child gets: the number that it has there, and the descriptor of this process.
 *
 * @since 0.2.0
 */
export type Passed = readonly [number: number, fd: AnyFd]

/**
 * A child that was started.
 *
 * @since 0.2.0
 */
export interface Started {
  readonly pid: AnyPid
  /** Runs the child's Effect. It does not end when the process ends: see {@link Started.forget}. */
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /**
   * Lets the child's Effect continue with what the process has answered already. After it, an Effect whose process has become a
   * program has come to that point, and has said so.
   */
  readonly catchUp: Effect.Effect<void>
  /**
   * Reports that the process has ended, has become a program, or is not needed any more. Its Effect is interrupted, and its
   * end is awaited for a second at most. Finalizers run, and each call that they make is interrupted. If the process still
   * lives, it gets no further call, and ends.
   */
  readonly forget: Effect.Effect<void>
}

/**
 * Makes one `clone` call, and runs an Effect in the new process: see {@link Fork}.
 *
 * @since 0.2.0
 */
export type Start = <R>(
  flags: number,
  child: Effect.Effect<unknown, unknown, R>,
  descriptors?: ReadonlyArray<Passed>
) => Effect.Effect<Started, SyscallError, R>

/**
 * Has a child end with this process, or with the thread of JavaScript that has started it, whatever ends that, SIGKILL
 * included. The child can't prevent it: a process that no container can reach kills it, by the pidfd.
 *
 * It holds until the child has ended. Close the pidfd through the `Kernel` service, and only then: until that, the child is
 * guarded again if that process dies.
 *
 * @since 0.2.0
 */
export type Guard = (pidfd: AnyPidfd) => Effect.Effect<void, SyscallError>

/** Starts children. */
export class Fork extends Context.Service<Fork, {
  /**
   * Makes one `clone` call with the flags (`CLONE_NEW*`), and runs `child` in the new process; returns the child's pid.
   *
   * The child's Effect runs until it has to wait; then the parent continues. From then on, each continues while the other
   * waits. The child makes all of the Effect's calls, and they change the child. Everything else, such as `node:fs`, is
   * done by this process, and blocks it until the Effect waits. The Effect ends with `execve` or `exit_group`, and nothing
   * of it runs after that. If it ends in any other way, the child exits with status 255.
   *
   * The child has all descriptors of this process. If `descriptors` are passed, it has only these, under their numbers, and
   * the standard streams; one that is not open here is not open there. Pass them for a process that enters a container:
   * other processes of that container may inspect it, and take what they find. If the numbers are low, they do not even see
   * how many descriptors this process has (`FDSize` of proc_pid_status(5)).
   */
  readonly spawn: <R>(
    flags: number,
    child: Effect.Effect<unknown, unknown, R>,
    descriptors?: ReadonlyArray<Passed>
  ) => Effect.Effect<AnyPid, SyscallError, R>
  /** As `spawn`; also returns the child's fiber, and `forget`. */
  readonly start: Start
  /** Has a child end with this process. */
  readonly guard: Guard
}>()("runfx/Fork") {}

/**
 * The result of a call in a process that has ended or has become a program: it never returns, and its fiber is interrupted.
 * In a finalizer, the fiber is interrupted already.
 */
export const nothingMore: Effect.Effect<never> = /* @__PURE__ */ Effect.interruptible(Effect.never)

/**
 * Makes the service from a function that starts one child, and one that has it end with this process.
 *
 * @since 0.2.0
 */
export const make = (start: Start, guard: Guard): Fork["Service"] => ({
  start,
  guard,
  spawn: (flags, child, descriptors) => Effect.map(start(flags, child, descriptors), ({ pid }) => pid)
})
