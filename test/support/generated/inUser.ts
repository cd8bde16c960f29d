/** Mounts in user namespaces. */
import * as fc from "fast-check"
import { AT, CLONE, MNT, MOUNT_ATTR, MS, OPEN_TREE, S } from "../../../src/native/constants.ts"
import { cwd, type Line } from "../parityLines.ts"
import { as, line } from "../vocabulary.ts"
import { child, modes, nothing, rootOnly, trees, zero } from "./meetings.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"
import { treeStart } from "./trees.ts"

const attributes = from<number>(0, MS.RDONLY, MS.NOSUID, MS.NODEV, MS.NOEXEC, MS.NOATIME, MS.RELATIME, MS.NODIRATIME)

const inUserStep: Steps = weighted(
  [
    3,
    call("mount", {
      source: nothing,
      target: trees,
      type: nothing,
      flags: attributes.map((one) => one | MS.REMOUNT | MS.BIND),
      data: nothing
    })
  ],
  [
    1,
    call("mount", {
      source: nothing,
      target: trees,
      type: nothing,
      flags: attributes.map((one) => one | MS.REMOUNT),
      data: nothing
    })
  ],
  [
    3,
    call("mount", {
      source: trees,
      target: trees,
      type: nothing,
      flags: from(MS.BIND, MS.BIND | MS.REC),
      data: nothing
    })
  ],
  [
    2,
    call("mount", {
      source: fc.constant("t"),
      target: trees,
      type: from("tmpfs", "ramfs", "proc", "sysfs", "mqueue", "devpts"),
      flags: attributes,
      data: nothing
    })
  ],
  [3, call("umount2", { target: trees, flags: from(0, MNT.DETACH) })],
  [
    2,
    call("mount", {
      source: nothing,
      target: trees,
      type: nothing,
      flags: from(MS.SHARED, MS.PRIVATE, MS.SLAVE, MS.UNBINDABLE, MS.PRIVATE | MS.REC),
      data: nothing
    })
  ],
  [
    2,
    call("mount_setattr", {
      dirfd: here,
      path: trees,
      flags: from(0, AT.RECURSIVE),
      set: from<number>(0, MOUNT_ATTR.RDONLY, MOUNT_ATTR.NOSUID, MOUNT_ATTR.NOATIME),
      clear: from<number>(0, MOUNT_ATTR.RDONLY, MOUNT_ATTR.NOSUID, MOUNT_ATTR.NODEV, MOUNT_ATTR._ATIME),
      propagation: from<number>(0, 0, MS.PRIVATE, MS.SHARED),
      usernsFd: fc.constant(-1)
    })
  ],
  [
    1,
    call(
      "open_tree",
      { dirfd: here, path: trees, flags: from(OPEN_TREE.CLONE, OPEN_TREE.CLONE | AT.RECURSIVE) },
      as("h")
    )
  ],
  [
    1,
    call("move_mount", {
      fromDirfd: fc.constant("$h"),
      fromPath: fc.constant(""),
      toDirfd: here,
      toPath: trees,
      flags: fc.constant(4)
    })
  ],
  [1, call("mount", { source: trees, target: trees, type: nothing, flags: fc.constant(MS.MOVE), data: nothing })],
  [1, call("mkdirat", { dirfd: here, path: trees, mode: modes })],
  [1, call("unlinkat", { dirfd: here, path: trees, flags: from(0, AT.REMOVEDIR) })],
  [
    1,
    call("mknodat", {
      dirfd: here,
      path: from("a/n", "c/n"),
      mode: from(S.IFCHR | 0o666, S.IFIFO | 0o666),
      major: fc.constant(1),
      minor: fc.constant(3)
    })
  ],
  [1, call("fchownat", { dirfd: here, path: trees, uid: from(0, 1, 1000), gid: from(0, 1000), flags: zero })],
  [1, call("pivot_root", { newRoot: from("a", "c"), putOld: from("a/d", "c/d") })],
  [1, call("chroot", { path: from("a", "c") })]
)

export const inUserSteps: Steps = fc.oneof(
  { weight: 1, arbitrary: inUserStep },
  {
    weight: 3,
    arbitrary: child(
      from<number>(CLONE.NEWUSER | CLONE.NEWNS, CLONE.NEWUSER | CLONE.NEWNS, CLONE.NEWUSER),
      inUserStep,
      rootOnly,
      8
    )
  }
)

export const inUserStart: ReadonlyArray<Line> = [
  ...treeStart.slice(0, 7),
  line("mount", { source: "t", target: "c", type: "tmpfs", flags: MS.NODEV | MS.NOSUID, data: null }),
  line("mkdirat", { dirfd: cwd, path: "c/d", mode: 0o755 }),
  line("mount", { source: null, target: "b", type: null, flags: MS.REMOUNT | MS.BIND | MS.RDONLY, data: null })
]
