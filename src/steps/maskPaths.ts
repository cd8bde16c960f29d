/**
 * Mask paths of the container: a file reads as empty, a directory shows nothing.
 *
 * A path is resolved below the handle of the mount that it is in. So the files of the procfs that this start has mounted are
 * covered, even if that was moved. Files are covered by the container's null device, which is checked by handle before it is
 * used: runtimes that trusted its path could be made to bind any file of the host instead (CVE-2025-31133). Directories are
 * covered by one read-only tmpfs without room for a file, bound on all of them.
 *
 * @see OCI config-linux.md#masked-paths
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Step from "../engine/Step.ts"
import { MOUNT_ATTR, RESOLVE, S } from "../native/constants.ts"
import * as Files from "../native/Files.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"
import { attach } from "./rootfs/attach.ts"
import { cloneOfHandle } from "./rootfs/bind.ts"
import { type MountError, NotNullDeviceError, PathError } from "./rootfs/errors.ts"
import { InRoot, type Kept, PathsCovered, PathsReadonly } from "./rootfs/facts.ts"
import { filesystemCalls, makeFilesystem } from "./rootfs/filesystem.ts"
import { holderOf, ifThere, usuallyDirectories } from "./rootfs/places.ts"

const openNull = (
  root: number,
  kept: ReadonlyArray<Kept>
): Effect.Effect<number, SyscallError | NotNullDeviceError, Kernel> => {
  const dev = holderOf(kept, "/dev")
  // no link: what a later look at /dev/null finds must be what was masked with
  const how = { resolve: RESOLVE.NO_SYMLINKS }
  return Files.keeping(
    dev?.destination === "/dev" ? Files.resolveBelow(dev.fd, "null", how) : Files.resolve(root, "/dev/null", how),
    (fd) =>
      Effect.flatMap(
        Files.stat(fd),
        (stat) => Files.isNull(stat) ? Effect.void : new NotNullDeviceError({ path: "/dev/null" })
      )
  )
}

const emptyTmpfs = (destination: string, label: string | undefined): Effect.Effect<number, MountError, Kernel> =>
  makeFilesystem(
    { destination, type: "tmpfs", source: "tmpfs" },
    ["ro", "nr_blocks=1", "nr_inodes=1", ...(label === undefined ? [] : [`context=${label}`])],
    MOUNT_ATTR.RDONLY | MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC
  )

/** Descriptors of what covers the paths; opened when the first path needs them. */
interface Covers {
  null?: number
  directory?: number
}

/** What is to be covered, and where. */
interface Masking {
  readonly root: number
  readonly kept: ReadonlyArray<Kept>
  readonly label: string | undefined
  readonly opened: Covers
}

type CoverError = SyscallError | MountError | NotNullDeviceError
type Covering = Effect.Effect<void, CoverError, Kernel>

const coverFile = Effect.fnUntraced(function*({ kept, opened, root }: Masking, place: number) {
  const fd = opened.null ??= yield* openNull(root, kept)
  yield* Files.using(cloneOfHandle(fd, false), (node) => attach(node, place))
})

const coverDirectory = Effect.fnUntraced(function*({ label, opened }: Masking, path: string, place: number) {
  if (opened.directory !== undefined) {
    return yield* Files.using(cloneOfHandle(opened.directory, false), (mount) => attach(mount, place))
  }
  const fd = opened.directory = yield* emptyTmpfs(path, label)
  yield* attach(fd, place)
})

const cover = (masking: Masking, path: string) =>
  ifThere(
    masking.root,
    masking.kept,
    path,
    (place) =>
      Effect.flatMap(
        Files.stat(place),
        (stat): Covering =>
          Files.isType(stat, S.IFDIR, usuallyDirectories.has(path))
            ? coverDirectory(masking, path, place)
            : coverFile(masking, place)
      )
  ).pipe(
    Effect.mapError((error) =>
      error._tag === "SyscallError" ? new PathError({ path, what: "mask", reason: error }) : error
    )
  )

/** Masks each path that is there. */
export const maskPaths = Step.make("maskPaths", {
  doc: "mask paths",
  calls: [...filesystemCalls, "openat2", "statx", "open_tree", "move_mount"],
  requires: [Init, InRoot, PathsReadonly],
  provides: PathsCovered,
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EPERM: "masked paths need a mount namespace that the container owns",
    ELOOP: "correct linux.maskedPaths: the path leads through links in circles, or through a magic link of /proc",
    EACCES: "correct linux.maskedPaths: the container's root has no search permission on the way there",
    EINVAL: "let no other process change the root file system while the container starts",
    ENOSPC: "the mount namespace is full: raise /proc/sys/fs/mount-max"
  },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { fd: root } = yield* InRoot
    const { kept } = yield* PathsReadonly
    return yield* Effect.acquireUseRelease(
      Effect.sync((): Covers => ({})),
      (opened) =>
        Effect.forEach(
          container.maskedPaths,
          (path) => cover({ root, kept, label: container.mountLabel, opened }, path),
          { discard: true }
        ).pipe(Effect.andThen(Effect.sync(() => ({ kept, cover: opened.directory })))),
      ({ directory, null: file }, exit) =>
        Effect.forEach(
          [file, Exit.isSuccess(exit) ? undefined : directory],
          (fd) => fd === undefined ? Effect.void : sys.close({ fd }),
          { discard: true }
        )
    )
  })
})
