/**
 * Terminals that have hung up. Node restores the modes of its terminals when it ends, and aborts if that fails. It
 * skips a descriptor that is no longer the file that it was at the start.
 */
import * as Effect from "effect/Effect"
import { AT, O } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"

/** Whether a descriptor is a terminal that has hung up. */
const hasHungUp = (fd: number): Effect.Effect<boolean, never, Kernel> =>
  Effect.match(sys.ioctl_tcgets({ fd }), { onSuccess: () => false, onFailure: ({ code }) => code === "EIO" })

const replace = (fd: number): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.acquireUseRelease(
    sys.openat({ dirfd: AT.FDCWD, path: "/dev/null", flags: O.RDWR | O.CLOEXEC, mode: 0 }),
    (opened) => Effect.asVoid(sys.dup3({ oldfd: opened, newfd: fd, flags: 0 })),
    (opened) => sys.close({ fd: opened })
  )

/**
 * Replaces each standard stream that was such a terminal by the null device. If that fails, Node aborts, as it would without
 * this; there is no stream left to report why.
 */
export const leaveHungUp: Effect.Effect<void, never, Kernel> = Effect.ignore(
  Effect.forEach(
    [0, 1, 2],
    (fd) => Effect.flatMap(hasHungUp(fd), (hungUp) => hungUp ? replace(fd) : Effect.void),
    { discard: true }
  )
)
