/**
 * Mask paths of the container: a file reads as empty, a directory shows nothing.
 *
 * Files are covered by the container's null device, which is looked at by handle before it is used: runtimes that trusted
 * its path could be made to bind any file of the host in its place (CVE-2025-31133). Directories are covered by one
 * read-only tmpfs without room for a file, bound on all of them.
 *
 * @see OCI config-linux.md#masked-paths
 */
import * as Effect from "effect/Effect"
import type { Container } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { MOUNT_ATTR, RESOLVE, S } from "../native/constants.ts"
import * as Files from "../native/Files.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { Init } from "./Init.ts"
import { attach } from "./rootfs/attach.ts"
import { cloneOfHandle } from "./rootfs/bind.ts"
import { type MountError, NotNullDeviceError, PathError } from "./rootfs/errors.ts"
import { InRoot, PathsMasked, PathsReadonly } from "./rootfs/facts.ts"
import { filesystemCalls, makeFilesystem } from "./rootfs/filesystem.ts"

const openNull = (root: number): Effect.Effect<number, SyscallError | NotNullDeviceError, Kernel> =>
  Files.keeping(
    // no link: what a later look at /dev/null finds must be what was masked with
    Files.resolve(root, "/dev/null", { resolve: RESOLVE.NO_SYMLINKS }),
    (fd) =>
      Effect.flatMap(Files.stat(fd), (stat) =>
        Files.isNull(stat) ? Effect.void : new NotNullDeviceError({ path: "/dev/null" }))
  )

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

const coverFile = Effect.fnUntraced(function*(opened: Covers, root: number, place: number) {
  const fd = opened.null ??= yield* openNull(root)
  yield* Files.using(cloneOfHandle(fd, false), (node) => attach(node, place))
})

const coverDirectory = Effect.fnUntraced(
  function*(opened: Covers, path: string, label: string | undefined, place: number) {
    if (opened.directory !== undefined) {
      return yield* Files.using(cloneOfHandle(opened.directory, false), (mount) => attach(mount, place))
    }
    const fd = opened.directory = yield* emptyTmpfs(path, label)
    yield* attach(fd, place)
  }
)

type CoverError = SyscallError | MountError | NotNullDeviceError

const cover = Effect.fnUntraced(function*(container: Container, root: number, opened: Covers, path: string) {
  const found = yield* Files.resolve(root, path).pipe(orOn(["ENOENT"], undefined))
  if (found === undefined) return
  yield* Files.using(
    Effect.succeed(found),
    (place) =>
      Effect.flatMap(Files.stat(place), (stat): Effect.Effect<void, CoverError, Kernel> =>
        Files.isType(stat, S.IFDIR)
          ? coverDirectory(opened, path, container.mountLabel, place)
          : coverFile(opened, root, place))
  )
})

/** Masks each path that is there. */
export const maskPaths = Step.make("maskPaths", {
  doc: "mask paths",
  calls: [...filesystemCalls, "openat2", "statx", "open_tree", "move_mount"],
  requires: [Init, InRoot, PathsReadonly],
  provides: PathsMasked,
  reversal: "irreversible",
  advice: { EPERM: "masked paths need a mount namespace that the container owns" },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const { fd: root } = yield* InRoot
    const mask = (opened: Covers, path: string) =>
      cover(container, root, opened, path).pipe(
        Effect.mapError((error) =>
          error._tag === "SyscallError" ? new PathError({ path, what: "mask", reason: error }) : error
        )
      )
    yield* Effect.acquireUseRelease(
      Effect.sync((): Covers => ({})),
      (opened) => Effect.forEach(container.maskedPaths, (path) => mask(opened, path), { discard: true }),
      (opened) => Effect.forEach(Object.values(opened), (fd: number) => sys.close({ fd }), { discard: true })
    )
    return true as const
  })
})
