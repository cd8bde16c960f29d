/**
 * Open the host's directory that becomes the container's root.
 *
 * @category rootfs
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import { AT, O, RESOLVE } from "../../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"

/** Opens the host's directory that becomes the root; its path must hold no symlink. */
export const openRootfs = (path: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({
    dirfd: AT.FDCWD,
    path,
    flags: O.PATH | O.DIRECTORY | O.CLOEXEC,
    mode: 0,
    resolve: RESOLVE.NO_SYMLINKS
  })

/** What can go wrong with {@link openRootfs}, and what to do about it. */
export const openRootfsAdvice = {
  ENOENT: "create the root file system's directory, or correct root.path",
  ENOTDIR: "root.path must be a directory",
  ELOOP: "give root.path with all symlinks resolved (realpath)",
  EACCES:
    "give the user that is the container's root search permission on every directory above root.path (chmod o+x), or move the root file system"
} as const
