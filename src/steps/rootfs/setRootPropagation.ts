/**
 * Keep the mounts that are about to be made from the host, before the first of them is made.
 *
 * @see mount_namespaces(7), OCI config-linux.md#rootfs-mount-propagation
 */
import * as Effect from "effect/Effect"
import { hasNamespace } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { AT, MS, O, RESOLVE } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { InNamespaces } from "../facts.ts"
import { Init } from "../Init.ts"
import { setPropagation } from "./attach.ts"
import { MountsContained } from "./facts.ts"

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

/** A descriptor of the root of the mount that holds a directory; closes the descriptor it is given. */
const mountOf = (fd: number): Effect.Effect<number, SyscallError, Kernel> =>
  Effect.flatMap(Files.stat(fd), ({ mountRoot }) =>
    mountRoot
      ? Effect.succeed(fd)
      : sys.openat({ dirfd: fd, path: "..", flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 }).pipe(
        Effect.tap(() => sys.close({ fd })),
        Effect.flatMap(mountOf)
      ))

/** Sets the propagation of `/` and of the mount that holds the root file system. */
export const setRootPropagation = Step.make("setRootPropagation", {
  doc: "keep the container's mounts from the host",
  calls: ["openat2", "openat", "statx", "mount_setattr", "close"],
  requires: [Init, InNamespaces],
  provides: MountsContained,
  reversal: "irreversible",
  advice: openRootfsAdvice,
  run: Effect.gen(function*() {
    const { container } = yield* Init
    if (!hasNamespace(container, "mnt")) return { contained: false }
    const flags = container.rootPropagation ?? MS.SLAVE | MS.REC
    yield* Files.using(
      sys.openat2({ dirfd: AT.FDCWD, path: "/", flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: 0 }),
      (fd) => setPropagation(fd, flags)
    )
    // pivot_root(2) refuses a new root whose parent mount is shared, and binding the root there would reach the host
    yield* Files.using(
      Effect.flatMap(openRootfs(container.rootfs), mountOf),
      (fd) => setPropagation(fd, MS.PRIVATE)
    )
    return { contained: true }
  })
})
