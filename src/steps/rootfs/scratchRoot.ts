/**
 * A root file system from nothing: the host's own files, with all writes thrown away at the end.
 *
 * Not part of a preset pipeline; it is put before `bindRoot` if a container is started without a root of its own:
 *
 * ```ts
 * const fromTheHost = Pipeline.insertBefore(standard, "bindRoot", scratchRoot)
 * ```
 *
 * Everything is mounted in the container's mount namespace, and ends with it.
 *
 * @see Documentation/filesystems/overlayfs.rst, tmpfs(5)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { hasNamespace } from "../../config/Container.ts"
import * as Step from "../../engine/Step.ts"
import { AT, MOUNT_ATTR, O } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import { onErrno, sys } from "../../native/Kernel.ts"
import { Init } from "../init/Init.ts"
import { attach, during, setAttributes } from "./attach.ts"
import { cloneOf } from "./bind.ts"
import { MountsContained } from "./facts.ts"
import { noOverlay, onScratch, overlay, scratchCalls } from "./onScratch.ts"
import { openRootfsAdvice } from "./openRootfs.ts"

/** Directories of the host that hold no files of its own: empty inside, for the container's mounts. */
const empty = new Set(["dev", "mnt", "media", "proc", "run", "sys", "tmp"])

/**
 * The host's directories one by one, read-only, on a tmpfs: for a user namespace, in which the host's root has mounts below
 * it that are locked to it, so that overlayfs can't have it as a lower layer.
 */
const binds = Effect.fnUntraced(function*(scratch: number) {
  const flags = O.RDONLY | O.DIRECTORY | O.CLOEXEC
  const all = yield* Files.using(sys.openat({ dirfd: AT.FDCWD, path: "/", flags, mode: 0 }), Files.entriesOf)
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
        (target) =>
          Effect.andThen(
            setAttributes(tree, MOUNT_ATTR.RDONLY, 0, true),
            // a mount of a directory that was removed: there is nothing in it that could be missed
            attach(tree, target).pipe(onErrno(["ENOENT"], () => Effect.void))
          )
      ).pipe(during({ destination: `/${name}`, source: `/${name}`, type: "bind" }, "attach")))
  }
})

/** Mounts the host's files on `container.rootfs`: with a scratch layer, or in a user namespace read-only. */
export const scratchRoot = Step.make("scratchRoot", {
  doc: "make a root of the host's own files, whose writes are thrown away",
  calls: [
    ...new Set([...scratchCalls, "openat", "getdents64", "readlinkat", "symlinkat", "open_tree"] as const)
  ],
  requires: [Init, MountsContained],
  reversal: "irreversible",
  replayable: true,
  advice: { ...openRootfsAdvice, ENODEV: noOverlay },
  run: onScratch(
    ["mode=755"],
    (scratch, container) =>
      hasNamespace(container, "user") ? binds(scratch) : overlay(container.rootfs, scratch, ["/"], [])
  )
})
