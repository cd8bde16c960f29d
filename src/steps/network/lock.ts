/**
 * A lock for the bridges of a network namespace.
 *
 * A process that removes a bridge first checks whether anything is connected to it, and one that connects first looks the bridge
 * up. Between check and action no other process may act. The lock is on the namespace itself (`/proc/self/ns/net`), so it holds
 * for exactly those processes that share the names of interfaces, with any state root or mount namespace. It leaves no file, and
 * ends with the process that holds it.
 *
 * @see flock(2), namespaces(7)
 * @category networks
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { AT, LOCK, O } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"

/** The calls that {@link withBridges} makes; for the headers of steps. */
export const lockCalls = ["openat", "flock", "nanosleep", "close"] as const

/** Another process holds the lock for too long. */
export class BridgesLocked extends Data.TaggedError("BridgesLocked")<{ readonly milliseconds: number }> {
  override get message(): string {
    return `the lock for bridges (flock on /proc/self/ns/net) is still taken after ${this.milliseconds} ms`
  }
  get advice(): string {
    return "another run that hangs, or another program in this network namespace, holds it: /proc/locks names the process"
  }
}

/** How long to wait for another run, in milliseconds. */
const patience = 10_000

const open = sys.openat({ dirfd: AT.FDCWD, path: "/proc/self/ns/net", flags: O.RDONLY | O.CLOEXEC, mode: 0 })

const take = (fd: AnyFd): Effect.Effect<void, SyscallError | BridgesLocked, Kernel> =>
  Effect.gen(function*() {
    for (let slept = 0, sleep = 1;; slept += sleep, sleep = Math.min(sleep * 2, 20)) {
      const taken = yield* sys.flock({ fd, operation: LOCK.EX | LOCK.NB }).pipe(
        Effect.as(true),
        orOn(["EAGAIN"], false)
      )
      if (taken) return
      if (slept >= patience) return yield* new BridgesLocked({ milliseconds: slept })
      yield* sys.nanosleep({ nanoseconds: BigInt(sleep) * 1_000_000n })
    }
  })

/** Runs an effect under the lock of this network namespace's bridges. The effect must not take the lock itself. */
export const withBridges = <A, E, R>(
  use: Effect.Effect<A, E, R>
): Effect.Effect<A, E | SyscallError | BridgesLocked, R | Kernel> => using(open, (fd) => Effect.andThen(take(fd), use))
