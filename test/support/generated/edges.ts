/** Limits at their edges, and handles of all kinds. */
import * as fc from "fast-check"
import { AT, F, MNT, MS, O, RLIMIT, S } from "../../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { become, handles, ids, modes, nothing, zero } from "./meetings.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"

const amounts = from(0n, 1n, 2n, 100n, 101n, 103n, 499n, 1024n, 2n ** 63n, 2n ** 64n - 1n)
const fds = from("$h", "$k", "$p.0", "$p.1", "$s.0")

const edgeStep: Steps = weighted(
  [
    4,
    fc.tuple(
      from<number>(
        RLIMIT.NOFILE,
        RLIMIT.FSIZE,
        RLIMIT.CORE,
        RLIMIT.STACK,
        RLIMIT.NPROC,
        RLIMIT.NICE,
        RLIMIT.RTPRIO,
        RLIMIT.MSGQUEUE,
        RLIMIT.MEMLOCK
      ),
      amounts,
      amounts
    ).map(([resource, soft, hard]): Scenario => [line("prlimit64", { pid: 0, resource, limit: { soft, hard } }, see)])
  ],
  [
    3,
    fc.tuple(
      handles,
      from("f", "o", "d", "l", "p", "c", "q"),
      from(
        O.PATH,
        O.PATH | O.NOFOLLOW,
        O.PATH | O.DIRECTORY,
        O.RDWR | O.NONBLOCK,
        O.WRONLY | O.NONBLOCK,
        O.RDONLY | O.NONBLOCK | O.NOFOLLOW,
        O.RDONLY | O.DIRECTORY
      )
    ).map(([name, path, flags]) => [line("openat", { dirfd: cwd, path, flags, mode: 0 }, as(name))])
  ],
  [
    2,
    fc.tuple(handles, fds, from<number>(O.RDONLY | O.NONBLOCK, O.RDWR | O.NONBLOCK, O.PATH, O.WRONLY | O.NONBLOCK)).map(
      ([name, fd, flags]) => [line("openat", { dirfd: cwd, path: `/proc/self/fd/${fd}`, flags, mode: 0 }, as(name))]
    )
  ],
  [
    2,
    call("statx", { dirfd: fds, path: fc.constant(""), flags: fc.constant(AT.EMPTY_PATH), mask: fc.constant(0x7ff) }, {
      see: ["mode", "uid"]
    })
  ],
  [1, call("fstatfs", { fd: fds }, { see: "type" })],
  [1, call("fchmod", { fd: fds, mode: modes })],
  [1, call("fchownat", { dirfd: fds, path: fc.constant(""), uid: ids, gid: ids, flags: fc.constant(AT.EMPTY_PATH) })],
  [1, call("fchmodat", { dirfd: here, path: fds.map((fd) => `/proc/self/fd/${fd}`), mode: modes })],
  [1, call("fchdir", { fd: fds })],
  [1, call("getdents64", { fd: fds })],
  [1, call("flock", { fd: fds, operation: from(5, 6, 8) })],
  [1, call("ftruncate", { fd: fds, length: from(0n, 1n, 101n) })],
  [1, call("fsync", { fd: fds })],
  [2, call("write", { fd: fds, data: from("x", "hello") }, see)],
  [2, call("read", { fd: fds, count: from(0, 2) }, see)],
  [
    2,
    call("fcntl", {
      fd: fds,
      command: from<number>(F.DUPFD, F.DUPFD_CLOEXEC),
      argument: from(100, 101, 102, 103, 498, 1023, -1)
    }, as("k"))
  ],
  [1, call("fcntl", { fd: fds, command: from<number>(F.GETFL, F.GETFD), argument: zero }, see)],
  [
    1,
    call("fcntl", {
      fd: fds,
      command: fc.constant(F.SETFL),
      argument: from(0, O.NONBLOCK, O.APPEND, O.NONBLOCK | O.APPEND)
    })
  ],
  [1, call("dup3", { oldfd: fds, newfd: from(100, 102, 103, 498, 1023, 1024), flags: from(0, O.CLOEXEC) })],
  [
    1,
    call("setxattr", {
      path: from("f", "p", "c", "q", "l", "d"),
      name: from("user.x", "trusted.x"),
      value: fc.constant(new TextEncoder().encode("1"))
    })
  ],
  [1, call("unlinkat", { dirfd: here, path: from("f", "p", "c", "q", "l"), flags: zero })],
  [
    1,
    call("renameat2", {
      olddirfd: here,
      oldpath: from("f", "p", "q", "l", "d"),
      newdirfd: here,
      newpath: from("f", "p", "q", "l", "d"),
      flags: from(0, 1, 2)
    })
  ],
  [
    1,
    call("mount", {
      source: from("f", "p", "q", "c", "d", "/proc/self/fd/$h"),
      target: from("f", "o", "p", "d", "l"),
      type: nothing,
      flags: fc.constant(MS.BIND),
      data: nothing
    })
  ],
  [1, call("umount2", { target: from("f", "o", "p", "d"), flags: from(0, MNT.DETACH) })],
  [
    1,
    call("mknodat", {
      dirfd: here,
      path: from("n", "q"),
      mode: from(S.IFSOCK | 0o644, S.IFIFO, S.IFREG, S.IFBLK | 0o600, S.IFLNK | 0o777),
      major: zero,
      minor: zero
    })
  ],
  [1, call("memfd_create", { name: fc.constant("m"), flags: from(0, 2) }, as("h"))],
  [1, call("close", { fd: fds })],
  [1, become]
)

export const edgeStart: ReadonlyArray<Line> = [
  line("openat", { dirfd: cwd, path: "f", flags: O.CREAT, mode: 0o666 }),
  line("openat", { dirfd: cwd, path: "o", flags: O.CREAT, mode: 0o600 }),
  line("mkdirat", { dirfd: cwd, path: "d", mode: 0o755 }),
  line("symlinkat", { target: "f", dirfd: cwd, path: "l" }),
  line("mknodat", { dirfd: cwd, path: "p", mode: S.IFIFO | 0o666, major: 0, minor: 0 }),
  line("mknodat", { dirfd: cwd, path: "c", mode: S.IFCHR | 0o666, major: 1, minor: 3 }),
  line("mknodat", { dirfd: cwd, path: "q", mode: S.IFSOCK | 0o666, major: 0, minor: 0 }),
  line("pipe2", { flags: O.NONBLOCK }, as("p")),
  line("socketpair", { type: 1 | O.NONBLOCK }, as("s")),
  line("openat", { dirfd: cwd, path: "f", flags: O.RDWR, mode: 0 }, as("h"))
]

export const edgeSteps: Steps = edgeStep
