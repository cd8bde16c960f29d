/**
 * A root file system from nothing: the host's own files, with all writes thrown away at the end.
 *
 * Not part of a preset pipeline; it is put before `bindRoot` where a container is started without a root of its own:
 *
 * ```ts
 * const fromTheHost = Pipeline.insertBefore(standard, "bindRoot", scratchRoot)
 * ```
 *
 * Everything is mounted in the container's mount namespace, and ends with it.
 *
 * @see Documentation/filesystems/overlayfs.rst, tmpfs(5)
 */
import * as Effect from "effect/Effect"
import { hasNamespace } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { AT, MOUNT_ATTR, O } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { sys } from "../../native/Kernel.ts"
import { Init } from "../Init.ts"
import { attach, attachCalls, setAttributes } from "./attach.ts"
import { cloneOf } from "./bind.ts"
import { MountsContained } from "./facts.ts"
import { filesystemCalls, makeFilesystem } from "./filesystem.ts"
import { openRootfs, openRootfsAdvice } from "./setRootPropagation.ts"

/** Directories of the host that hold no files of its own: empty inside, for the container's mounts. */
const empty = new Set(["dev", "mnt", "media", "proc", "run", "sys", "tmp"])

/**
 * overlayfs over the host's root, with a tmpfs for the writes. The tmpfs is mounted on the very directory, and is covered
 * by the overlay that uses it, so that no second directory is needed.
 */
const overlay = Effect.fnUntraced(function*(rootfs: string, scratch: number) {
  yield* sys.mkdirat({ dirfd: scratch, path: "upper", mode: 0o755 })
  yield* sys.mkdirat({ dirfd: scratch, path: "work", mode: 0o700 })
  const about = { destination: "/", source: "overlay", type: "overlay" }
  const options = ["lowerdir=/", `upperdir=${rootfs}/upper`, `workdir=${rootfs}/work`]
  yield* Files.using(makeFilesystem(about, options, 0), (fd) => attach(fd, scratch))
})

const entries = Effect.fnUntraced(function*(directory: number) {
  const all: Array<{ readonly name: string; readonly type: string }> = []
  for (;;) {
    const more = yield* sys.getdents64({ fd: directory })
    if (more.length === 0) return all
    all.push(...more)
  }
})

/**
 * The host's directories one by one, read-only, on a tmpfs: for a user namespace, in which the host's root has mounts below
 * it that are locked to it, so that overlayfs can't have it as a lower layer.
 */
const binds = Effect.fnUntraced(function*(scratch: number) {
  const flags = O.RDONLY | O.DIRECTORY | O.CLOEXEC
  const all = yield* Files.using(sys.openat({ dirfd: AT.FDCWD, path: "/", flags, mode: 0 }), entries)
  for (const { name, type } of all) {
    if (type === "l") {
      const target = yield* sys.readlinkat({ dirfd: AT.FDCWD, path: `/${name}` })
      yield* sys.symlinkat({ target, dirfd: scratch, path: name })
      continue
    }
    if (type !== "d") continue
    yield* sys.mkdirat({ dirfd: scratch, path: name, mode: name === "tmp" ? 0o1777 : 0o755 })
    if (empty.has(name)) continue
    yield* Files.using(cloneOf(`/${name}`, true), (tree) =>
      Files.using(
        sys.openat({ dirfd: scratch, path: name, flags: O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, mode: 0 }),
        (target) => Effect.andThen(setAttributes(tree, MOUNT_ATTR.RDONLY, 0, true), attach(tree, target))
      ))
  }
})

/** Mounts the host's files, with a scratch layer, on `container.rootfs`. */
export const scratchRoot = Step.make("scratchRoot", {
  doc: "make a root of the host's own files, whose writes are thrown away",
  calls: [
    ...new Set([
      ...filesystemCalls,
      ...attachCalls,
      "openat" as const,
      "openat2" as const,
      "mkdirat" as const,
      "getdents64" as const,
      "readlinkat" as const,
      "symlinkat" as const,
      "open_tree" as const
    ])
  ],
  requires: [Init, MountsContained],
  reversal: "irreversible",
  advice: { ...openRootfsAdvice, ENODEV: "this kernel has no overlayfs: load the module overlay, or give --rootfs" },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    const about = { destination: "/", source: "tmpfs", type: "tmpfs" }
    yield* Files.using(makeFilesystem(about, ["mode=755"], MOUNT_ATTR.NODEV), (scratch) =>
      Effect.gen(function*() {
        yield* Files.using(openRootfs(container.rootfs), (directory) => attach(scratch, directory))
        yield* hasNamespace(container, "user") ? binds(scratch) : overlay(container.rootfs, scratch)
      }))
  })
})
