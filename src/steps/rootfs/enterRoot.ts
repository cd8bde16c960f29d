/**
 * Lock the process into the container's root.
 *
 * `pivot_root(".", ".")` puts the old root over the new one and needs no directory for it, so it works on read-only
 * roots; the old root, on top, is then detached.
 *
 * @see pivot_root(2), chroot(2)
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { AT, FSCONFIG, FSMOUNT, FSOPEN, MNT, MOUNT_ATTR, MOVE_MOUNT, MS, O } from "../../native/constants.ts"
import type { Errno } from "../../native/Errno.ts"
import * as Files from "../../native/Files.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../../native/Kernel.ts"
import * as Procfs from "../../native/Procfs.ts"
import { Init } from "../init/Init.ts"
import { type MountInfo, parseMountInfo } from "../proc/mountinfo.ts"
import { attach, setPropagation } from "./attach.ts"
import { InRoot, Mounted, MountsContained, RootHandle } from "./facts.ts"

/**
 * A procfs or sysfs of the host that can neither be taken away nor covered, if the host's mounts stay.
 *
 * @since 0.2.0
 */
export class HostMountError extends Data.TaggedError("HostMountError")<{
  readonly mountpoint: string
  readonly type: string
  readonly reason: SyscallError
}> {
  get code(): Errno {
    return this.reason.code
  }
  override get message(): string {
    return `hide the host's ${this.type} on ${this.mountpoint}: ${this.reason.message}`
  }
  get advice(): string | undefined {
    return this.code === "EACCES"
      ? `leave out noPivotRoot, or unmount ${this.mountpoint}: the container's root may not search the way there, and an uncovered ${this.type} would let the container mount another one`
      : undefined
  }
}

/**
 * A procfs or sysfs of the host that no path leads to, if the host's mounts stay.
 *
 * @since 0.2.0
 */
export class HiddenHostMountError extends Data.TaggedError("HiddenHostMountError")<{
  readonly mountpoint: string
  readonly type: string
}> {
  override get message(): string {
    return `hide the host's ${this.type} on ${this.mountpoint}: another mount is on top of the way there, so it can't be taken away`
  }
  get advice(): string {
    return `leave out noPivotRoot, or unmount ${this.mountpoint} on the host: with a user namespace of its own the container could mount another ${this.type}, of which nothing is masked`
  }
}

type Done = Effect.Effect<void, SyscallError, Kernel>

const openHostPath = (path: string) =>
  sys.openat2({ dirfd: AT.FDCWD, path, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: 0 })

const pivotFrom = Effect.fnUntraced(function*(old: number, root: number) {
  yield* sys.fchdir({ fd: root })
  yield* sys.pivot_root({ newRoot: ".", putOld: "." })
  yield* sys.fchdir({ fd: old })
  // slave: the detaching must not reach the host's mounts
  yield* setPropagation(old, MS.SLAVE | MS.REC)
  yield* sys.umount2({ target: ".", flags: MNT.DETACH })
  yield* sys.chdir({ path: "/" })
})

const pivot = (root: number): Done => Files.using(openHostPath("/"), (old) => pivotFrom(old, root))

const emptyTmpfs = Files.using(
  sys.fsopen({ type: "tmpfs", flags: FSOPEN.CLOEXEC }),
  (fd) =>
    sys.fsconfig({ fd, command: FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 }).pipe(
      Effect.andThen(sys.fsmount({ fd, flags: FSMOUNT.CLOEXEC, attributes: MOUNT_ATTR.RDONLY }))
    )
)

const readMounts = (proc: number) => Effect.map(Procfs.readProc(proc, "self/mountinfo"), parseMountInfo)

/** Those that show all of a procfs or sysfs, outside of the container's root, unless another mount covers them as a whole. */
const shownOf = (mounts: ReadonlyArray<MountInfo>, rootfs: string): ReadonlyArray<MountInfo> =>
  mounts.filter(({ id, mountpoint, root, type }) =>
    (type === "proc" || type === "sysfs") && root === "/" && mountpoint !== rootfs &&
    !mountpoint.startsWith(`${rootfs}/`) &&
    !mounts.some((other) => other.parent === id && other.mountpoint === mountpoint)
  )

const hide = ({ mountpoint, type }: MountInfo) =>
  Files.using(openHostPath(mountpoint), (fd) =>
    Effect.gen(function*() {
      const { mountRoot } = yield* Files.stat(fd)
      // another mount of the same place was on top and is gone
      if (!mountRoot) return
      yield* setPropagation(fd, MS.SLAVE | MS.REC)
      yield* sys.umount2({ target: mountpoint, flags: MNT.DETACH }).pipe(
        // locked in a user namespace
        onErrno(["EINVAL", "EPERM"], () => Files.using(emptyTmpfs, (tmpfs) => attach(tmpfs, fd)))
      )
    })).pipe(
      // it was below another that is gone; or it is below one that covers the way there
      Effect.catchIf(
        ({ call, code }) => call._tag === "openat2" && (code === "ENOENT" || code === "ENOTDIR"),
        () => Effect.void
      ),
      Effect.mapError((reason) => new HostMountError({ mountpoint, type, reason }))
    )

/**
 * Without pivot_root the host's mounts stay in the namespace. A procfs or sysfs of which nothing is covered would let
 * a process that gets a user namespace of its own mount another, uncovered one; so they are taken away or covered. The
 * kernel does not ask whether a path leads to the one that it finds (`mnt_already_visible`); so one that can't be reached
 * is an error.
 */
const hideKernelFilesystems = Effect.fnUntraced(function*(proc: number, rootfs: string) {
  for (let before = Infinity, all = Infinity;;) {
    const mounts = yield* readMounts(proc)
    const shown = shownOf(mounts, rootfs)
    if (shown[0] === undefined) return
    // what was in the way may be gone: it tries again as long as there are fewer
    if (shown.length >= before && mounts.length >= all) {
      const { mountpoint, type } = shown[0]
      return yield* new HiddenHostMountError({ mountpoint, type })
    }
    before = shown.length
    all = mounts.length
    for (const mount of shown.toReversed()) yield* hide(mount)
  }
})

const chrootHere: Done = Effect.gen(function*() {
  yield* sys.chroot({ path: "." })
  yield* sys.chdir({ path: "/" })
})

const move = Effect.fnUntraced(function*(
  root: number,
  rootfs: string
): Effect.fn.Return<void, SyscallError | HostMountError | HiddenHostMountError, Kernel> {
  // a procfs that was opened before it is unmounted can still be read
  yield* Files.using(Procfs.openProc, (proc) => hideKernelFilesystems(proc, rootfs))
  yield* sys.fchdir({ fd: root })
  yield* sys.move_mount({
    fromDirfd: root,
    fromPath: "",
    toDirfd: AT.FDCWD,
    toPath: "/",
    flags: MOVE_MOUNT.F_EMPTY_PATH
  })
  yield* chrootHere
})

/** Enters the root for good, and gives it the propagation that it shall have in the end. */
export const enterRoot = Step.make("enterRoot", {
  doc: "lock the process into the container's root",
  calls: [
    ...new Set(
      [
        ...Procfs.openProcCalls,
        ...Procfs.useProcCalls,
        "fchdir",
        "pivot_root",
        "mount_setattr",
        "umount2",
        "chdir",
        "chroot",
        "move_mount"
      ] as const
    )
  ],
  requires: [Init, RootHandle, Mounted, MountsContained],
  provides: InRoot,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EINVAL: "if the host runs from an initramfs, set noPivotRoot: pivot_root does not work there",
    EPERM:
      "entering the root needs CAP_SYS_ADMIN in the user namespace that owns the mount namespace, or CAP_SYS_CHROOT"
  },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { fd } = yield* RootHandle
    const { contained } = yield* MountsContained
    if (!contained) {
      // never left out: even without a mount namespace the program must not see the host's root
      yield* sys.fchdir({ fd })
      yield* chrootHere
      return { fd }
    }
    yield* container.noPivotRoot ? move(fd, container.rootfs) : pivot(fd)
    // by default of the root alone: the mounts in it keep what their own options say. rprivate and the like change those too
    yield* setPropagation(fd, container.rootPropagation ?? MS.PRIVATE)
    return { fd }
  })
})
