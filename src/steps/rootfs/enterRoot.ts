/**
 * Lock the process into the container's root.
 *
 * `pivot_root(".", ".")` puts the old root over the new one and needs no directory for it, so it works on read-only
 * roots; the old root, on top, is then detached.
 *
 * @see pivot_root(2), chroot(2)
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { AT, FSCONFIG, FSMOUNT, FSOPEN, MNT, MOUNT_ATTR, MOVE_MOUNT, MS, O } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../../native/Kernel.ts"
import * as Procfs from "../../native/Procfs.ts"
import { Init } from "../Init.ts"
import { parseMountInfo } from "../mountinfo.ts"
import { attach, setPropagation } from "./attach.ts"
import { InRoot, Mounted, MountsContained, RootHandle } from "./facts.ts"

type Done = Effect.Effect<void, SyscallError, Kernel>

const openHostPath = (path: string) =>
  sys.openat2({ dirfd: AT.FDCWD, path, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: 0 })

const pivot = (root: number): Done =>
  Files.using(openHostPath("/"), (old) =>
    Effect.gen(function*() {
      yield* sys.fchdir({ fd: root })
      yield* sys.pivot_root({ newRoot: ".", putOld: "." })
      yield* sys.fchdir({ fd: old })
      // slave: the detaching must not reach the host's mounts
      yield* setPropagation(old, MS.SLAVE | MS.REC)
      yield* sys.umount2({ target: ".", flags: MNT.DETACH })
      yield* sys.chdir({ path: "/" })
    }))

const emptyTmpfs = Files.using(
  sys.fsopen({ type: "tmpfs", flags: FSOPEN.CLOEXEC }),
  (fd) =>
    sys.fsconfig({ fd, command: FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 }).pipe(
      Effect.andThen(sys.fsmount({ fd, flags: FSMOUNT.CLOEXEC, attributes: MOUNT_ATTR.RDONLY }))
    )
)

/**
 * Without pivot_root the host's mounts stay in the namespace. A procfs or sysfs of which nothing is covered would let
 * a process that gets a user namespace of its own mount another, uncovered one; so they are taken away or covered.
 */
const hideKernelFilesystems = Effect.fnUntraced(function*(rootfs: string) {
  const mounts = parseMountInfo(
    yield* Files.using(Procfs.openProc, (proc) => Procfs.readProc(proc, "self/mountinfo"))
  )
  const full = mounts.filter(({ mountpoint, root, type }) =>
    (type === "proc" || type === "sysfs") && root === "/" && mountpoint !== rootfs &&
    !mountpoint.startsWith(`${rootfs}/`)
  )
  for (const { mountpoint } of full.toReversed()) {
    yield* Files.using(openHostPath(mountpoint), (fd) =>
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
        // it was below another that is gone
        Effect.catchIf(({ call, code }) => call._tag === "openat2" && code === "ENOENT", () => Effect.void)
      )
  }
})

const chrootHere: Done = Effect.gen(function*() {
  yield* sys.chroot({ path: "." })
  yield* sys.chdir({ path: "/" })
})

const move = (root: number, rootfs: string): Done =>
  Effect.gen(function*() {
    yield* hideKernelFilesystems(rootfs)
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

/** Enters the root for good; then its mounts get the propagation that they shall have in the end. */
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
    // of the root alone: the mounts in it keep what their own options say, `rslave` or `rshared`
    yield* setPropagation(fd, container.rootPropagation ?? MS.PRIVATE)
    return { fd }
  })
})
