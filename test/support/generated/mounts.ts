/** Mounts, of the old interface and of the new one. */
import * as fc from "fast-check"
import {
  AT,
  CLONE,
  FSCONFIG,
  MNT,
  MOUNT_ATTR,
  MOVE_MOUNT,
  MS,
  O,
  OPEN_TREE,
  UMOUNT
} from "../../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../parityLines.ts"
import { as, line } from "../vocabulary.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"
import { below, fds, flags, inFork, keep, names, nothing, sequence, zero } from "./sequences.ts"

const places = from("a", "a", "b", "b", "c", "a/d", "a/d", "b/d", "/mnt", ".", "a/f", "/mnt/a")

const propagation = from(
  MS.SHARED,
  MS.PRIVATE,
  MS.SLAVE,
  MS.UNBINDABLE,
  MS.SHARED | MS.REC,
  MS.PRIVATE | MS.REC,
  MS.SLAVE | MS.REC
)

const mountFlags = flags(
  MS.RDONLY,
  MS.NOSUID,
  MS.NODEV,
  MS.NOEXEC,
  MS.NOATIME,
  MS.NODIRATIME,
  MS.RELATIME,
  MS.STRICTATIME
)

export const mountStep: Steps = weighted(
  [
    5,
    call("mount", {
      source: fc.constant("tmpfs"),
      target: below,
      type: fc.constant("tmpfs"),
      flags: mountFlags,
      data: from<string | null>(null, null, "mode=700", "size=64k", "uid=1000")
    })
  ],
  [
    6,
    call("mount", {
      source: places,
      target: below,
      type: nothing,
      flags: from(MS.BIND, MS.BIND | MS.REC),
      data: nothing
    })
  ],
  [3, call("mount", { source: below, target: below, type: nothing, flags: fc.constant(MS.MOVE), data: nothing })],
  [
    3,
    call("mount", {
      source: nothing,
      target: below,
      type: nothing,
      flags: mountFlags.map((some) => some | MS.REMOUNT | MS.BIND),
      data: nothing
    })
  ],
  [
    1,
    call("mount", {
      source: nothing,
      target: below,
      type: nothing,
      flags: mountFlags.map((some) => some | MS.REMOUNT),
      data: nothing
    })
  ],
  [
    5,
    call("mount", {
      source: nothing,
      target: from("/mnt", "a", "b", "a/d", "b/d", "."),
      type: nothing,
      flags: propagation,
      data: nothing
    })
  ],
  [5, call("umount2", { target: below, flags: from(0, 0, MNT.DETACH, UMOUNT.NOFOLLOW, MNT.EXPIRE) })],
  [1, call("pivot_root", { newRoot: from("a", "b", ".", "/mnt"), putOld: from("a/d", "b/d", "a", ".", "/mnt/a") })],
  [
    2,
    keep("open_tree", {
      dirfd: here,
      path: below,
      flags: from(OPEN_TREE.CLONE, OPEN_TREE.CLONE | AT.RECURSIVE, OPEN_TREE.CLOEXEC, 0)
    }, names)
  ],
  [
    2,
    call("move_mount", {
      fromDirfd: fds,
      fromPath: fc.constant(""),
      toDirfd: here,
      toPath: below,
      flags: from(MOVE_MOUNT.F_EMPTY_PATH, MOVE_MOUNT.F_EMPTY_PATH, 0)
    })
  ],
  [1, call("move_mount", { fromDirfd: here, fromPath: below, toDirfd: here, toPath: below, flags: zero })],
  [
    1,
    fc.tuple(names, below).map(([name, path]): Scenario => [
      line("fsopen", { type: "tmpfs", flags: 0 }, as(name)),
      line("fsconfig", { fd: `$${name}`, command: FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 }),
      line("fsmount", { fd: `$${name}`, flags: 0, attributes: MOUNT_ATTR.NOSUID }, as(name)),
      line("move_mount", {
        fromDirfd: `$${name}`,
        fromPath: "",
        toDirfd: cwd,
        toPath: path,
        flags: MOVE_MOUNT.F_EMPTY_PATH
      })
    ])
  ],
  [
    2,
    call("mount_setattr", {
      dirfd: here,
      path: below,
      flags: from(0, AT.RECURSIVE),
      set: from<number>(0, MOUNT_ATTR.RDONLY, MOUNT_ATTR.NOSUID, MOUNT_ATTR.NOEXEC, MOUNT_ATTR.NOATIME),
      clear: from<number>(0, 0, MOUNT_ATTR.RDONLY, MOUNT_ATTR.NOSUID, MOUNT_ATTR._ATIME),
      propagation: from<number>(0, 0, MS.SHARED, MS.PRIVATE, MS.SLAVE),
      usernsFd: fc.constant(-1)
    })
  ],
  [2, call("mkdirat", { dirfd: here, path: from("a", "a/d", "b", "b/d", "a/d/e"), mode: fc.constant(0o755) })],
  [
    1,
    call("openat", {
      dirfd: here,
      path: from("a/f", "a/d/f", "b/f"),
      flags: fc.constant(O.CREAT | O.WRONLY),
      mode: fc.constant(0o644)
    })
  ],
  [1, keep("openat", { dirfd: here, path: below, flags: from(O.PATH, O.RDONLY | O.DIRECTORY), mode: zero }, names)],
  [1, call("chdir", { path: places })],
  [1, call("chroot", { path: from("a", "b") })],
  [1, call("unlinkat", { dirfd: here, path: below, flags: from(0, AT.REMOVEDIR) })],
  [
    1,
    call("statx", { dirfd: here, path: below, flags: zero, mask: fc.constant(0x7ff) }, { see: ["mode", "mountRoot"] })
  ],
  [1, call("unshare", { flags: fc.constant(CLONE.NEWNS) })]
)

export const mountStart: ReadonlyArray<Line> = [
  ...["a", "b", "c"].map((path) => line("mkdirat", { dirfd: cwd, path, mode: 0o755 })),
  line("mount", { source: null, target: "/mnt", type: null, flags: MS.SHARED, data: null }),
  line("mount", { source: "tmpfs", target: "a", type: "tmpfs", flags: 0, data: null }),
  line("mkdirat", { dirfd: cwd, path: "a/d", mode: 0o755 }),
  line("mount", { source: "a", target: "b", type: null, flags: MS.BIND, data: null })
]

export const mounts = sequence(
  fc.oneof({ weight: 15, arbitrary: mountStep }, {
    weight: 1,
    arbitrary: inFork(from(CLONE.NEWNS, CLONE.NEWNS | CLONE.NEWUSER, 0), mountStep)
  }),
  mountStart,
  12
)
