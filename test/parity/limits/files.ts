/** How many files may be open, and how large they may be. */
import { F, O, RLIMIT, SIG } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, gate, line, open, openGate, see, touch, write } from "../../support/vocabulary.ts"
import { infinity, limit } from "./lines.ts"

export const files: Readonly<Record<string, Scenario>> = {
  "EMFILE at the soft limit": [
    limit(RLIMIT.NOFILE, 103n, 700n),
    open("/", O.RDONLY, "a"),
    line("fcntl", { fd: "$a", command: F.DUPFD, argument: 101 }, see),
    line("fcntl", { fd: "$a", command: F.DUPFD, argument: 102 }, see),
    line("fcntl", { fd: "$a", command: F.DUPFD, argument: 102 }, see),
    line("fcntl", { fd: "$a", command: F.DUPFD, argument: 103 }, see)
  ],
  "a limit below what is open lets nothing open, closes nothing": [
    open("/", O.RDONLY, "a"),
    limit(RLIMIT.NOFILE, 3n, 700n),
    open("/", O.RDONLY),
    line("dup", { fd: "$a" }),
    line("pipe2", { flags: 0 }),
    line("socketpair", { type: 1 }),
    line("memfd_create", { name: "x", flags: 0 }),
    line("pidfd_open", { pid: 1, flags: 0 }),
    line("fcntl", { fd: "$a", command: F.GETFD, argument: 0 }, see),
    limit(RLIMIT.NOFILE, 700n, 700n),
    open("/", O.RDONLY)
  ],
  "dup3 beyond the limit is no descriptor": [
    open("/", O.RDONLY, "a"),
    limit(RLIMIT.NOFILE, 120n, 700n),
    line("dup3", { oldfd: "$a", newfd: 119, flags: 0 }),
    line("dup3", { oldfd: "$a", newfd: 120, flags: 0 }),
    line("dup3", { oldfd: 119, newfd: 119, flags: 0 })
  ],
  "a missing file is told before a full table": [
    limit(RLIMIT.NOFILE, 3n, 700n),
    open("missing", O.RDONLY),
    open("new", O.CREAT | O.WRONLY, undefined, 0o644),
    limit(RLIMIT.NOFILE, 700n, 700n),
    open("new", O.RDONLY)
  ],
  "a write stops at the file size limit, then fails": [
    open("f", O.CREAT | O.WRONLY, "f", 0o644),
    limit(RLIMIT.FSIZE, 5n, infinity),
    line("write", { fd: "$f", data: "1234" }, see),
    line("write", { fd: "$f", data: "5678" }, see),
    line("write", { fd: "$f", data: "9" }, see),
    line("write", { fd: "$f", data: "" }, see)
  ],
  "a file that is longer can't be written behind its limit, but before": [
    ...write("/proc/self/comm", "x"),
    open("f", O.CREAT | O.RDWR, "f", 0o644),
    line("write", { fd: "$f", data: "1234567890" }),
    limit(RLIMIT.FSIZE, 5n, infinity),
    line("write", { fd: "$f", data: "x" }, see),
    open("f", O.RDWR, "g"),
    line("write", { fd: "$g", data: "abcdefgh" }, see),
    open("f", O.RDWR | O.APPEND, "h"),
    line("write", { fd: "$h", data: "x" }, see)
  ],
  "ftruncate grows a file up to its limit": [
    open("f", O.CREAT | O.RDWR, "f", 0o644),
    limit(RLIMIT.FSIZE, 5n, infinity),
    line("ftruncate", { fd: "$f", length: 5n }),
    line("ftruncate", { fd: "$f", length: 6n }),
    line("ftruncate", { fd: "$f", length: 0n })
  ],
  "ftruncate shrinks a file that is above its limit": [
    open("f", O.CREAT | O.RDWR, "f", 0o644),
    line("ftruncate", { fd: "$f", length: 100n }),
    limit(RLIMIT.FSIZE, 5n, infinity),
    line("ftruncate", { fd: "$f", length: 50n }),
    line("ftruncate", { fd: "$f", length: 51n })
  ],
  "SIGXFSZ ends a process that does not ignore it": [
    fork(0, [
      line("rt_sigaction", { signal: SIG.XFSZ, disposition: "SIG_DFL" }),
      open("f", O.CREAT | O.WRONLY, "f", 0o644),
      limit(RLIMIT.FSIZE, 1n, infinity),
      line("write", { fd: "$f", data: "12" }, see),
      line("write", { fd: "$f", data: "3" }, see)
    ])
  ],
  "pipes, devices and files of /proc have no size limit": [
    limit(RLIMIT.FSIZE, 0n, infinity),
    gate("pipe"),
    openGate("pipe"),
    ...write("/dev/null", "abc"),
    ...write("/proc/self/comm", "abc"),
    touch("f"),
    ...write("f", "x")
  ]
}
