/**
 * Keep the mounts that are about to be made from the host, before the first of them is made.
 *
 * @see mount_namespaces(7), OCI config-linux.md#rootfs-mount-propagation
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasNamespace } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import * as Ahead from "../../native/Ahead.ts"
import { AT, MS, O } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { InNamespaces } from "../init/facts.ts"
import { Init } from "../init/Init.ts"
import { setPropagation } from "./attach.ts"
import { MountsContained } from "./facts.ts"
import { openRootfs, openRootfsAdvice } from "./openRootfs.ts"

/**
 * A descriptor of the root of the mount that holds a directory. It takes over the descriptor that it is given: it returns or
 * closes it.
 *
 * @param depth how far below `/` the directory is: most directories are on the mount of `/`
 */
const mountOf = (fd: AnyFd, depth: number): Effect.Effect<number, SyscallError, Kernel> =>
  Effect.flatMap(Files.stat(fd), (stat) =>
    Ahead.is(stat, "mountRoot", true, { likely: depth <= 0 })
      ? Effect.succeed(fd)
      : sys.openat({ dirfd: fd, path: "..", flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 }).pipe(
        Effect.tap(() => sys.close({ fd })),
        Effect.flatMap((parent) => mountOf(parent, depth - 1))
      ))

const depthOf = (path: string): number => path.split("/").filter((name) => name !== "").length

/** Sets the propagation of `/` and of the mount that holds the root file system. */
export const setRootPropagation = Step.make("setRootPropagation", {
  doc: "keep the container's mounts from the host",
  calls: ["openat2", "openat", "statx", "mount_setattr", "close"],
  requires: [Init, InNamespaces],
  provides: MountsContained,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    ...openRootfsAdvice,
    EINVAL:
      "the runtime's own root directory is no mount point, as in a chroot(2): enter it by pivot_root(2) (unshare " +
      "--mount --root), or bind it on itself first"
  },
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
      Effect.flatMap(openRootfs(container.rootfs), (fd) => mountOf(fd, depthOf(container.rootfs))),
      (fd) => setPropagation(fd, MS.PRIVATE)
    )
    return { contained: true }
  })
})
