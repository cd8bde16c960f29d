/** Files and paths. */
import * as fc from "fast-check"
import { AT, F, LOCK, O, S } from "../../../src/native/constants.ts"
import { cwd, type Line } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { becomeSomebody, call, from, here, type Steps, weighted } from "./parts.ts"
import { fds, flags, ids, inFork, keep, modes, names, sequence, texts, zero } from "./sequences.ts"

const paths = from(
  ..."a a b c a/b a/b a/c a/b/c b/a l l/a m /mnt/a /mnt/b/a ../mnt/b a/../b a/. b/ l/ . ./a//b ../../mnt/l/c /mnt"
    .split(" "),
  ""
)

const dirs = fc.oneof({ weight: 5, arbitrary: here as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: fds })
const statParts = ["mode", "uid", "gid", "nlink", "rdev", "mountRoot"]

const opens = keep("openat", {
  dirfd: dirs,
  path: paths,
  flags: fc.tuple(
    from<number>(O.RDONLY, O.WRONLY, O.RDWR),
    flags(O.CREAT, O.CREAT, O.EXCL, O.TRUNC, O.APPEND, O.DIRECTORY, O.NOFOLLOW, O.PATH, O.CLOEXEC)
  ).map(([access, more]) => access | more | O.NONBLOCK | O.NOCTTY),
  mode: modes
}, names)

const makeDirectory = call("mkdirat", { dirfd: dirs, path: paths, mode: modes })

export const fileStep: Steps = weighted(
  [6, opens],
  [5, makeDirectory],
  [
    2,
    call("mknodat", {
      dirfd: dirs,
      path: paths,
      mode: fc.tuple(from<number>(S.IFREG, S.IFIFO, S.IFCHR, S.IFSOCK, S.IFDIR, 0), modes).map(([type, mode]) =>
        type | mode
      ),
      major: fc.constant(1),
      minor: fc.constant(3)
    })
  ],
  [
    3,
    call("symlinkat", {
      target: from("a", "b", "l", "/mnt/a", "../mnt/a/b", "m", "nowhere", "a/b/c", ""),
      dirfd: dirs,
      path: paths
    })
  ],
  [3, call("unlinkat", { dirfd: dirs, path: paths, flags: from(0, 0, AT.REMOVEDIR) })],
  [
    4,
    call("renameat2", { olddirfd: here, oldpath: paths, newdirfd: here, newpath: paths, flags: from(0, 0, 0, 1, 2, 3) })
  ],
  [2, call("fchmodat", { dirfd: dirs, path: paths, mode: modes })],
  [1, call("fchmod", { fd: fds, mode: modes })],
  [3, call("fchownat", { dirfd: dirs, path: paths, uid: ids, gid: ids, flags: from(0, 0, AT.SYMLINK_NOFOLLOW) })],
  [3, call("write", { fd: fds, data: texts }, see)],
  [2, call("read", { fd: fds, count: from(0, 3, 100) }, see)],
  [1, call("ftruncate", { fd: fds, length: from(0n, 3n, 40n, -1n) })],
  [
    3,
    call("statx", {
      dirfd: dirs,
      path: paths,
      flags: from(0, AT.SYMLINK_NOFOLLOW, AT.EMPTY_PATH),
      mask: fc.constant(0x7ff)
    }, { see: statParts })
  ],
  [1, call("readlinkat", { dirfd: dirs, path: paths }, see)],
  [1, call("getdents64", { fd: fds }, { see: ["*.name", "*.type"], sorted: true })],
  [
    2,
    call("faccessat2", {
      dirfd: dirs,
      path: paths,
      mode: from(0, 1, 2, 4, 7),
      flags: from(0, AT.EACCESS, AT.SYMLINK_NOFOLLOW)
    })
  ],
  [1, call("umask", { mask: from(0, 0o22, 0o77, 0o777) }, see)],
  [2, call("chdir", { path: paths })],
  [1, call("fchdir", { fd: fds })],
  [1, call("getcwd", {}, see)],
  [1, call("chroot", { path: paths })],
  [1, keep("dup", { fd: fds }, names)],
  [1, call("close", { fd: fds })],
  [
    1,
    call("fcntl", {
      fd: fds,
      command: from<number>(F.GETFL, F.GETFD, F.SETFL),
      argument: from(0, O.APPEND, O.NONBLOCK)
    })
  ],
  [1, call("flock", { fd: fds, operation: from(LOCK.SH | LOCK.NB, LOCK.EX | LOCK.NB, LOCK.UN) })],
  [
    1,
    call("openat2", {
      dirfd: dirs,
      path: paths,
      flags: from(O.PATH, O.RDONLY | O.NONBLOCK, O.PATH | O.NOFOLLOW),
      mode: zero,
      resolve: flags(1, 2, 4, 8, 16)
    })
  ],
  [1, becomeSomebody]
)

export const fileStart: ReadonlyArray<Line> = [
  line("mkdirat", { dirfd: cwd, path: "a", mode: 0o755 }),
  line("mkdirat", { dirfd: cwd, path: "a/b", mode: 0o777 }),
  line("openat", { dirfd: cwd, path: "a/c", flags: O.CREAT | O.RDWR, mode: 0o644 }, as("f")),
  line("symlinkat", { target: "a", dirfd: cwd, path: "l" })
]

export const files = sequence(
  fc.oneof({ weight: 30, arbitrary: fileStep }, { weight: 1, arbitrary: inFork(zero, fileStep) }),
  fileStart
)
