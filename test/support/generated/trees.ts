/** Mounts, and what is renamed and removed beneath them. */
import * as fc from "fast-check"
import { AT, CLONE, MNT, MS, O, OPEN_TREE } from "../../../src/native/constants.ts"
import { cwd, type Line } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { child, handles, modes, nothing, trees, zero } from "./meetings.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"

const handle = handles.map((name) => `$${name}`)

/** A path, also by way of a handle and its link in `/proc`. */
const places = fc.oneof(
  { weight: 6, arbitrary: trees },
  { weight: 1, arbitrary: handle.map((fd) => `/proc/self/fd/${fd}`) },
  { weight: 1, arbitrary: handle.map((fd) => `/proc/self/fd/${fd}/d`) }
)

const treeStep: Steps = weighted(
  [
    4,
    call("renameat2", { olddirfd: here, oldpath: trees, newdirfd: here, newpath: trees, flags: from(0, 0, 0, 1, 2) })
  ],
  [4, call("unlinkat", { dirfd: here, path: places, flags: from(0, AT.REMOVEDIR, AT.REMOVEDIR) })],
  [3, call("mkdirat", { dirfd: here, path: trees, mode: modes })],
  [2, call("openat", { dirfd: here, path: trees, flags: fc.constant(O.CREAT | O.WRONLY), mode: fc.constant(0o644) })],
  [
    3,
    // no link of /proc itself: its name is the number, which differs
    fc.tuple(handles, places, from(O.PATH, O.PATH | O.NOFOLLOW, O.RDONLY | O.NONBLOCK)).map(([name, path, flags]) => [
      line(
        "openat",
        { dirfd: cwd, path, flags: path.startsWith("/proc") ? flags & ~O.NOFOLLOW : flags, mode: 0 },
        as(name)
      )
    ])
  ],
  [
    2,
    call("openat", {
      dirfd: handle,
      path: from("d", "f", "..", "../b", "."),
      flags: from(O.PATH, O.CREAT | O.RDWR),
      mode: fc.constant(0o600)
    })
  ],
  [
    4,
    call("mount", {
      source: places,
      target: places,
      type: nothing,
      flags: from(MS.BIND, MS.BIND | MS.REC),
      data: nothing
    })
  ],
  [
    2,
    call("mount", { source: fc.constant("t"), target: places, type: fc.constant("tmpfs"), flags: zero, data: nothing })
  ],
  [1, call("mount", { source: trees, target: trees, type: nothing, flags: fc.constant(MS.MOVE), data: nothing })],
  [
    2,
    call("mount", {
      source: nothing,
      target: trees,
      type: nothing,
      flags: from(MS.SHARED, MS.PRIVATE, MS.SLAVE, MS.SHARED | MS.REC),
      data: nothing
    })
  ],
  [3, call("umount2", { target: places, flags: from(0, MNT.DETACH, MNT.DETACH) })],
  [
    1,
    fc.tuple(handles, trees).map((
      [name, path]
    ) => [line("open_tree", { dirfd: cwd, path, flags: OPEN_TREE.CLONE | AT.RECURSIVE }, as(name))])
  ],
  [
    1,
    call("move_mount", {
      fromDirfd: handle,
      fromPath: fc.constant(""),
      toDirfd: here,
      toPath: trees,
      flags: fc.constant(4)
    })
  ],
  [1, call("chdir", { path: trees })],
  [1, call("fchdir", { fd: handle })],
  [1, call("getcwd", {}, see)],
  [1, call("readlinkat", { dirfd: here, path: handle.map((fd) => `/proc/self/fd/${fd}`) }, see)],
  [1, call("getdents64", { fd: handle }, { see: ["*.name", "*.type"], sorted: true })],
  [
    1,
    call("statx", { dirfd: here, path: places, flags: zero, mask: fc.constant(0x7ff) }, {
      see: ["mode", "nlink", "mountRoot"]
    })
  ],
  [1, call("close", { fd: handle })]
)

/** What both begin with. */
export const treeStart: ReadonlyArray<Line> = [
  ...["a", "a/d", "b", "c"].map((path) => line("mkdirat", { dirfd: cwd, path, mode: 0o755 })),
  line("openat", { dirfd: cwd, path: "a/f", flags: O.CREAT, mode: 0o644 }),
  line("mount", { source: null, target: "/mnt", type: null, flags: MS.SHARED, data: null }),
  line("mount", { source: "a", target: "b", type: null, flags: MS.BIND, data: null }),
  line("openat", { dirfd: cwd, path: "a/d", flags: O.PATH, mode: 0 }, as("h"))
]

export const treeSteps: Steps = fc.oneof(
  { weight: 12, arbitrary: treeStep },
  { weight: 2, arbitrary: child(from<number>(0, CLONE.NEWNS, CLONE.NEWNS), treeStep) }
)
