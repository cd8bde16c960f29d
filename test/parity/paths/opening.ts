/** What open(2) makes of where a path leads: flags, types, permissions. */
import { AT, O, S } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { as, become, chmod, fork, line, mkdir, mknod, open, see, stat, touch } from "../../support/vocabulary.ts"
import { openat2 } from "./lines.ts"

export const opening: Readonly<Record<string, Scenario>> = {
  // ── open(2) ────────────────────────────────────────────────────────────────────────────────────────────────────────
  "a directory opens for reading only": [
    mkdir("d"),
    open("d", O.RDONLY),
    open("d", O.WRONLY),
    open("d", O.RDWR),
    open("d", O.RDONLY | O.TRUNC),
    open("d", O.RDONLY | O.CREAT, undefined, 0o600),
    open("d", O.RDONLY | O.CREAT | O.EXCL, undefined, 0o600),
    open(".", O.RDONLY | O.CREAT, undefined, 0o600),
    open("d", O.WRONLY | O.DIRECTORY)
  ],
  "O_DIRECTORY with O_CREAT is refused": [
    mkdir("d"),
    touch("f"),
    open("d", O.RDONLY | O.CREAT | O.DIRECTORY, undefined, 0o700),
    open("new", O.RDONLY | O.CREAT | O.DIRECTORY, undefined, 0o700),
    open("f", O.RDONLY | O.DIRECTORY),
    open("missing", O.RDONLY | O.DIRECTORY),
    open("f", O.PATH | O.DIRECTORY),
    // with O_PATH, O_CREAT does not count
    open("d", O.PATH | O.CREAT | O.DIRECTORY),
    open("new", O.PATH | O.CREAT)
  ],
  "O_EXCL wants nothing there": [
    open("f", O.CREAT | O.EXCL | O.WRONLY, undefined, 0o600),
    open("f", O.CREAT | O.EXCL | O.WRONLY, undefined, 0o600),
    open("f", O.EXCL | O.WRONLY),
    mkdir("d"),
    open("d", O.CREAT | O.EXCL | O.WRONLY, undefined, 0o600),
    open("d/", O.CREAT | O.EXCL | O.WRONLY, undefined, 0o600),
    open("f/x", O.CREAT | O.EXCL | O.WRONLY, undefined, 0o600)
  ],
  "O_TRUNC empties a file": [
    open("f", O.CREAT | O.RDWR, "f", 0o644),
    line("write", { fd: "$f", data: "hello" }),
    open("f", O.RDONLY | O.TRUNC),
    stat("f", "size"),
    line("write", { fd: "$f", data: "x" }),
    stat("f", "size"),
    chmod("f", 0o444),
    ...become(1000),
    open("f", O.RDONLY | O.TRUNC),
    open("f", O.RDONLY)
  ],
  "O_PATH looks at nothing but the way": [
    touch("f", 0o000),
    mkdir("d", 0o000),
    mknod("p", S.IFIFO | 0o600),
    ...become(1000),
    open("f", O.PATH, "f"),
    open("d", O.PATH, "d"),
    open("p", O.PATH),
    open("d/x", O.PATH),
    line("read", { fd: "$f", count: 1 }),
    line("write", { fd: "$f", data: "x" }),
    line("fchmod", { fd: "$f", mode: 0o600 }),
    line("ftruncate", { fd: "$f", length: 0n }),
    line("getdents64", { fd: "$d" }),
    line("fchdir", { fd: "$d" }),
    line("fchdir", { fd: "$f" }),
    stat("", "mode", AT.EMPTY_PATH, "$f"),
    open("/proc/self/fd/$f", O.RDONLY),
    line("fsync", { fd: "$f" }),
    line("flock", { fd: "$f", operation: 2 })
  ],
  "O_PATH ignores what it does not know, openat2 does not": [
    touch("f"),
    open("f", O.PATH | O.TRUNC),
    open("f", O.PATH | O.WRONLY, "f"),
    line("write", { fd: "$f", data: "x" }),
    openat2("f", O.PATH | O.TRUNC, 0),
    openat2("f", O.PATH | O.WRONLY, 0),
    openat2("f", O.PATH | O.NOFOLLOW | O.CLOEXEC, 0),
    openat2(".", O.PATH | O.DIRECTORY, 0)
  ],
  "O_TMPFILE makes a file without a name": [
    open(".", O.TMPFILE | O.RDWR, "t", 0o600),
    line("write", { fd: "$t", data: "hello" }, see),
    stat("", ["nlink", "size", "mode"], AT.EMPTY_PATH, "$t"),
    open(".", O.TMPFILE | O.RDONLY, undefined, 0o600),
    touch("f"),
    open("f", O.TMPFILE | O.RDWR, undefined, 0o600),
    open("missing", O.TMPFILE | O.RDWR, undefined, 0o600),
    open("/proc", O.TMPFILE | O.RDWR, undefined, 0o600),
    open("/sys", O.TMPFILE | O.RDWR, undefined, 0o600),
    open(".", O.TMPFILE | O.RDWR | O.CREAT, undefined, 0o600),
    open("missing/", O.TMPFILE | O.WRONLY, undefined, 0o600),
    line("close", { fd: "$t" })
  ],
  "O_TMPFILE needs a directory that may be written": [
    mkdir("d", 0o755),
    ...become(1000),
    open("d", O.TMPFILE | O.RDWR, undefined, 0o600),
    open("/tmp", O.TMPFILE | O.RDWR, undefined, 0o600)
  ],
  "a mode needs a file to be made": [
    touch("f"),
    openat2("f", O.RDONLY, 0, 0o600),
    openat2("f", O.RDONLY | O.CREAT, 0, 0o600),
    openat2("f", O.RDONLY | O.CREAT, 0, 0o10000),
    line("openat2", { dirfd: cwd, path: ".", flags: O.RDWR | O.TMPFILE, mode: 0o600, resolve: 0 }, as("t")),
    line("close", { fd: "$t" }),
    openat2("f", 0x40000000, 0),
    openat2("f", O.RDONLY, 0x40)
  ],
  "openat ignores flags that openat2 refuses": [
    touch("f"),
    open("f", 0x40000000),
    line("openat", { dirfd: cwd, path: "new", flags: O.CREAT | O.WRONLY, mode: 0o107777 }),
    stat("new", "mode")
  ],
  "a fifo opens with its other end": [
    mknod("p", S.IFIFO | 0o600),
    open("p", O.WRONLY | O.NONBLOCK),
    open("p", O.RDONLY | O.NONBLOCK, "r"),
    open("p", O.WRONLY | O.NONBLOCK, "w"),
    line("write", { fd: "$w", data: "hi" }, see),
    line("read", { fd: "$r", count: 9 }, see),
    line("close", { fd: "$w" }),
    line("read", { fd: "$r", count: 9 }, see),
    line("close", { fd: "$r" }),
    open("p", O.RDWR, "rw"),
    open("p", O.WRONLY | O.NONBLOCK)
  ],
  "a socket in the tree does not open": [
    mknod("s", S.IFSOCK | 0o600),
    open("s", O.RDONLY),
    open("s", O.WRONLY),
    open("s", O.PATH),
    stat("s", "mode"),
    ...become(1000),
    open("s", O.RDONLY)
  ],
  "opening needs the permission for what is asked": [
    ...[0o000, 0o400, 0o200, 0o600, 0o040, 0o020, 0o004, 0o002, 0o077].flatMap((mode) => {
      const name = `f${mode.toString(8)}`
      return [
        touch(name),
        chmod(name, mode),
        line("fchownat", { dirfd: cwd, path: name, uid: 1000, gid: 50, flags: 0 })
      ]
    }),
    fork(0, [
      ...become(1000, [50]),
      ...[0o000, 0o400, 0o200, 0o600, 0o077].flatMap((mode) => {
        const name = `f${mode.toString(8)}`
        return [open(name, O.RDONLY), open(name, O.WRONLY), open(name, O.RDWR)]
      })
    ]),
    fork(0, [
      ...become(1001, [50]),
      ...[0o040, 0o020, 0o004, 0o002].flatMap((mode) => {
        const name = `f${mode.toString(8)}`
        return [open(name, O.RDONLY), open(name, O.WRONLY), open(name, O.RDWR)]
      })
    ]),
    fork(0, [
      ...become(1001),
      ...[0o040, 0o020, 0o004, 0o002, 0o077].flatMap((mode) => {
        const name = `f${mode.toString(8)}`
        return [open(name, O.RDONLY), open(name, O.WRONLY), open(name, O.RDWR)]
      })
    ])
  ]
}
