/**
 * The end of a child.
 *
 * @category processes
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { CLD, P, W } from "../native/constants.ts"
import type { AnyPid, AnyPidfd } from "../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import type { ChildStatus, ResourceUsage } from "../native/results.ts"

/**
 * Waits for a child to end, reaps it, and returns how it ended.
 *
 * @param pidfd a descriptor of the child
 * @see waitid(2), pidfd_open(2)
 */
export const awaitExit = (pidfd: AnyPidfd): Effect.Effect<ChildStatus, SyscallError, Kernel> =>
  Effect.flatMap(
    sys.waitid({ idtype: P.PIDFD, id: pidfd, options: W.EXITED }),
    (status) => status === null ? awaitExit(pidfd) : Effect.succeed(status)
  )

/**
 * Like {@link awaitExit}, and reports what the child has used, with those of its children that it has waited for. If it was the
 * first process of a pid namespace, the kernel kills and reaps the rest without counting it (`zap_pid_ns_processes`).
 *
 * @see wait4(2), getrusage(2)
 * @since 0.2.0
 */
export const awaitUsage = (
  { pid, pidfd }: { readonly pid: AnyPid; readonly pidfd: AnyPidfd }
): Effect.Effect<{ readonly status: ChildStatus; readonly usage?: ResourceUsage }, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const status = yield* sys.waitid({ idtype: P.PIDFD, id: pidfd, options: W.EXITED | W.NOWAIT })
    if (status === null) return yield* awaitUsage({ pid, pidfd })
    // the number belongs to the child until it is reaped
    const reaped = yield* sys.wait4({ pid })
    return reaped === null ? { status: yield* awaitExit(pidfd) } : { status, usage: reaped.usage }
  })

/** The exit code for an end, as shells and runc have it: the status, or 128 and the signal's number. */
export const exitCode = ({ code, status }: ChildStatus): number => code === CLD.EXITED ? status : 128 + status
