/** The table of descriptors: dup(2), fcntl(2), close_range(2), exec. */
import { CLOSE_RANGE, F, FD, LOCK, O, RLIMIT, SOCK } from "../../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../../support/parityLines.ts"
import { as, fork, join, line, lookAt, mkdir, open, see, start, symlink, touch } from "../../support/vocabulary.ts"
import { at100, close, dup3, fcntl, flock, get, isOpen, put } from "./lines.ts"

const range = (first: number, last: number, flags = 0): Line => line("close_range", { first, last, flags })

const files = (soft: bigint, hard: bigint): Line =>
  line("prlimit64", { pid: 0, resource: RLIMIT.NOFILE, limit: { soft, hard } })

export const table: Readonly<Record<string, Scenario>> = {
  "a program keeps what is not marked": [
    touch("f"),
    start("other", 0, [
      ...at100,
      fcntl(100, F.DUPFD_CLOEXEC, 101),
      put(100, "abc"),
      fcntl(100, F.SETFL, O.APPEND),
      line("execve", { path: "/bin/sleep", argv: ["sleep", "5"], envp: [] })
    ]),
    join("other"),
    line("readlinkat", { dirfd: cwd, path: "/proc/$other/fd/100" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/$other/fd/101" }, see),
    ...lookAt("/proc/$other/fdinfo/100", /^(?:pos|flags):/)
  ],
  "what fdinfo tells": [
    ...at100,
    put(100, "abc"),
    ...lookAt("/proc/self/fdinfo/100", /^(?:pos|flags):/),
    line("fcntl", { fd: 100, command: F.SETFD, argument: 1 }),
    ...lookAt("/proc/self/fdinfo/100", /^(?:pos|flags):/),
    open("f", O.PATH, "p"),
    ...lookAt("/proc/self/fdinfo/$p", /^(?:pos|flags):/),
    line("pipe2", { flags: O.NONBLOCK }, as("q")),
    ...lookAt("/proc/self/fdinfo/$q.1", /^(?:pos|flags):/),
    line("socketpair", { type: SOCK.STREAM | SOCK.CLOEXEC }, as("s")),
    ...lookAt("/proc/self/fdinfo/$s.0", /^(?:pos|flags):/),
    open("/proc/self/ns/net", O.RDONLY, "n"),
    ...lookAt("/proc/self/fdinfo/$n", /^(?:pos|flags):/)
  ],
  "a number that is not open is EBADF": [
    close(400),
    close(-1),
    line("dup", { fd: 400 }),
    line("dup", { fd: -1 }),
    dup3(400, 401),
    fcntl(400, F.GETFD),
    fcntl(400, F.DUPFD, 100),
    get(400),
    put(400, "x"),
    line("fsync", { fd: 400 }),
    line("flock", { fd: 400, operation: LOCK.EX }),
    line("fstatfs", { fd: 400 }),
    line("getdents64", { fd: 400 }),
    line("fchdir", { fd: 400 }),
    line("openat", { dirfd: 400, path: "f", flags: 0, mode: 0 }),
    line("openat", { dirfd: 400, path: "/", flags: 0, mode: 0 }),
    line("ftruncate", { fd: 400, length: 0n }),
    line("fchmod", { fd: 400, mode: 0 })
  ],
  "dup3 takes another number": [
    ...at100,
    dup3(100, 101),
    dup3(100, 100),
    dup3(100, 100, O.CLOEXEC),
    dup3(400, 400),
    dup3(100, 102, O.CLOEXEC),
    dup3(100, 103, O.NONBLOCK),
    dup3(100, -1),
    fcntl(101, F.GETFD),
    fcntl(102, F.GETFD)
  ],
  "dup3 closes what was there": [
    line("pipe2", { flags: 0 }, as("p")),
    ...at100,
    line("dup3", { oldfd: 100, newfd: "$p.1", flags: 0 }),
    line("poll", { fds: ["$p.0"], events: 1, timeout: 0 }, see),
    get("$p.0")
  ],
  "dup3 of a number that is not open closes nothing": [...at100, dup3(400, 100), isOpen(100)],
  "the lowest free number from a start": [
    ...at100,
    fcntl(100, F.DUPFD, 100),
    fcntl(100, F.DUPFD, 100),
    close(101),
    fcntl(100, F.DUPFD, 100),
    fcntl(100, F.DUPFD, 200),
    fcntl(100, F.DUPFD_CLOEXEC, 200),
    fcntl(200, F.GETFD),
    fcntl(201, F.GETFD)
  ],
  "a start is within the limit": [
    ...at100,
    fcntl(100, F.DUPFD, -1),
    fcntl(100, F.DUPFD, 2147483647),
    fork(0, [
      files(300n, 300n),
      fcntl(100, F.DUPFD, 299),
      fcntl(100, F.DUPFD, 299),
      fcntl(100, F.DUPFD, 300),
      fcntl(100, F.DUPFD, 301)
    ])
  ],
  "the limit is on numbers, not on how many are open": [
    ...at100,
    fork(0, [
      files(101n, 101n),
      isOpen(100),
      dup3(100, 100),
      dup3(100, 101),
      dup3(100, 102),
      dup3(400, 102),
      fcntl(100, F.DUPFD, 100),
      put(100, "x")
    ])
  ],
  "a full table": [
    ...at100,
    fork(0, [
      files(0n, 300n),
      line("dup", { fd: 100 }),
      open("f", O.RDONLY),
      open("missing", O.RDONLY),
      touch("made"),
      line("pipe2", { flags: 0 }),
      line("socketpair", { type: SOCK.STREAM }),
      line("socket", { domain: 1, type: SOCK.STREAM, protocol: 0 }),
      line("memfd_create", { name: "x", flags: 0 }),
      line("pidfd_open", { pid: 1, flags: 0 }),
      line("fsopen", { type: "tmpfs", flags: 0 }),
      line("fsopen", { type: "nothing", flags: 0 }),
      line("open_tree", { dirfd: cwd, path: "/mnt", flags: 1 }),
      files(300n, 300n),
      line("statx", { dirfd: cwd, path: "made", flags: 0, mask: 0x7ff }, { see: "mode" })
    ])
  ],
  "a pipe needs room for two": [
    ...at100,
    // one number is free
    fork(0, [
      range(0, 99),
      files(1n, 300n),
      line("pipe2", { flags: 0 }),
      line("socketpair", { type: SOCK.STREAM }),
      files(2n, 300n),
      line("pipe2", { flags: 0 }, see)
    ])
  ],
  "close-on-exec is the descriptor's, flags are the description's": [
    ...at100,
    dup3(100, 101),
    fcntl(100, F.SETFD, FD.CLOEXEC),
    fcntl(100, F.GETFD),
    fcntl(101, F.GETFD),
    fcntl(100, F.SETFL, O.NONBLOCK | O.APPEND),
    fcntl(101, F.GETFL),
    fcntl(101, F.SETFD, 6),
    fcntl(101, F.GETFD),
    fcntl(100, F.SETFD, 0),
    fcntl(100, F.GETFD)
  ],
  "only some flags can be set": [
    ...at100,
    fcntl(100, F.GETFL),
    fcntl(100, F.SETFL, O.RDONLY | O.CREAT | O.EXCL | O.TRUNC | O.CLOEXEC),
    fcntl(100, F.GETFL),
    fcntl(100, F.SETFL, O.WRONLY | O.APPEND),
    fcntl(100, F.GETFL),
    fcntl(100, F.SETFL, O.DIRECTORY | O.NOFOLLOW),
    fcntl(100, F.GETFL)
  ],
  "flags of what was opened": [
    touch("f"),
    mkdir("d"),
    symlink("f", "l"),
    ...[
      open("f", O.RDONLY, "file"),
      open("f", O.WRONLY | O.APPEND | O.CREAT | O.NOCTTY | O.CLOEXEC, "file"),
      open("f", O.RDWR | O.TRUNC | O.NONBLOCK, "file"),
      open("f", O.PATH, "file"),
      open("f", O.PATH | O.RDWR | O.CREAT, "file"),
      open("d", O.RDONLY | O.DIRECTORY, "file"),
      open("d", O.PATH | O.DIRECTORY, "file"),
      open("l", O.PATH | O.NOFOLLOW, "file"),
      open("f", O.RDONLY | O.NOFOLLOW, "file"),
      open(".", O.TMPFILE | O.RDWR, "file", 0o600),
      line("memfd_create", { name: "x", flags: 0 }, as("file")),
      line("socket", { domain: 1, type: SOCK.STREAM, protocol: 0 }, as("file")),
      line("socket", { domain: 1, type: SOCK.STREAM | SOCK.NONBLOCK | SOCK.CLOEXEC, protocol: 0 }, as("file")),
      line("fsopen", { type: "tmpfs", flags: 0 }, as("file")),
      line("open_tree", { dirfd: cwd, path: "/mnt", flags: 1 }, as("file")),
      line("openat2", { dirfd: cwd, path: "f", flags: O.RDONLY, mode: 0, resolve: 0 }, as("file"))
    ].flatMap((one) => [one, fcntl("$file", F.GETFL), fcntl("$file", F.GETFD), close("$file")])
  ],
  "flags of pipes": [
    line("pipe2", { flags: O.NONBLOCK | O.CLOEXEC }, as("p")),
    fcntl("$p.0", F.GETFL),
    fcntl("$p.1", F.GETFL),
    fcntl("$p.0", F.GETFD),
    line("pipe2", { flags: O.APPEND }),
    line("pipe2", { flags: 0o40000 }, as("q")),
    fcntl("$q.1", F.GETFL)
  ],
  "an unknown command": [...at100, fcntl(100, 77)],
  "an O_PATH descriptor does little": [
    touch("f"),
    open("f", O.PATH, "p"),
    get("$p"),
    put("$p", "x"),
    line("fchmod", { fd: "$p", mode: 0o600 }),
    line("ftruncate", { fd: "$p", length: 0n }),
    line("fsync", { fd: "$p" }),
    flock("$p", LOCK.EX),
    fcntl("$p", F.GETFD),
    fcntl("$p", F.SETFD, 1),
    fcntl("$p", F.GETFL),
    fcntl("$p", F.SETFL, O.APPEND),
    fcntl("$p", F.DUPFD, 100),
    fcntl("$p", F.GET_SEALS),
    line("fstatfs", { fd: "$p" }, { see: "type" }),
    line("statx", { dirfd: "$p", path: "", flags: 0x1000, mask: 0x7ff }, { see: "mode" }),
    line("poll", { fds: ["$p"], events: 1, timeout: 0 }, see),
    line("setns", { fd: "$p", nstype: 0 }),
    line("ioctl_gwinsz", { fd: "$p" })
  ],
  "close_range takes what is open of a range": [
    ...at100,
    dup3(100, 102),
    dup3(100, 104),
    range(101, 103),
    isOpen(100),
    isOpen(102),
    isOpen(104),
    range(100, 0xffffffff),
    isOpen(100),
    isOpen(104),
    range(100, 200)
  ],
  "close_range refuses a range that is none, and unknown flags": [
    ...at100,
    range(101, 100),
    range(100, 100, 1),
    range(100, 100, 8),
    isOpen(100),
    range(100, 100),
    isOpen(100)
  ],
  "close_range marks instead": [
    ...at100,
    dup3(100, 101),
    range(100, 100, CLOSE_RANGE.CLOEXEC),
    fcntl(100, F.GETFD),
    fcntl(101, F.GETFD),
    range(101, 0xffffffff, CLOSE_RANGE.CLOEXEC | CLOSE_RANGE.UNSHARE),
    fcntl(101, F.GETFD),
    range(101, 101, CLOSE_RANGE.UNSHARE),
    isOpen(101)
  ]
}
