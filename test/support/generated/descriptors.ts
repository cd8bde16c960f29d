/** Descriptors, pipes and sockets. */
import * as fc from "fast-check"
import { AT, F, LOCK, MFD, MSG, O, POLL, SHUT, SO, SOCK } from "../../../src/native/constants.ts"
import { type Scenario } from "../parityLines.ts"
import { as, line, see } from "../vocabulary.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"
import { fds, flags, inFork, keep, modes, names, sequence, texts, zero } from "./sequences.ts"

const pairs = from("p", "q", "s", "t")
const ends = fc.tuple(pairs, from("0", "1")).map(([name, end]) => `$${name}.${end}`)

const anyFd = fc.oneof({ weight: 4, arbitrary: ends as fc.Arbitrary<unknown> }, { weight: 2, arbitrary: fds }, {
  weight: 1,
  arbitrary: from(100, 101, 499)
})

export const descriptorStep: Steps = weighted(
  [3, keep("pipe2", { flags: flags(O.CLOEXEC).map((some) => some | O.NONBLOCK) }, from("p", "q"))],
  [
    3,
    keep("socketpair", {
      type: fc.tuple(from<number>(SOCK.STREAM, SOCK.DGRAM, SOCK.SEQPACKET), flags(SOCK.CLOEXEC)).map(([type, some]) =>
        type | some | SOCK.NONBLOCK
      )
    }, from("s", "t"))
  ],
  [6, call("write", { fd: anyFd, data: texts }, see)],
  [6, call("read", { fd: anyFd, count: from(0, 2, 100) }, see)],
  [
    4,
    call("sendmsg", {
      fd: anyFd,
      data: from("m", "message", ""),
      fds: fc.array(anyFd, { maxLength: 2 }),
      flags: from(MSG.NOSIGNAL, MSG.NOSIGNAL | MSG.DONTWAIT)
    }, see)
  ],
  [
    3,
    fc.tuple(anyFd, from(0, 3, 100), from(MSG.DONTWAIT, MSG.DONTWAIT | MSG.PEEK, MSG.DONTWAIT | MSG.TRUNC)).map((
      [fd, size, flags]
    ): Scenario => [
      line("recvmsg", { fd, size, flags }, { see: ["data", "credentials.uid", "fds.length"], as: "got" })
    ])
  ],
  [1, call("shutdown", { fd: anyFd, how: from<number>(SHUT.RD, SHUT.WR, SHUT.RDWR) })],
  [1, call("setsockopt", { fd: ends, option: fc.constant(SO.PASSCRED), value: from(0, 1) })],
  [2, keep("dup", { fd: anyFd }, names)],
  [2, call("dup3", { oldfd: anyFd, newfd: from(100, 101, 102), flags: from(0, O.CLOEXEC, 1) })],
  [4, call("close", { fd: anyFd })],
  [1, call("close_range", { first: from(100, 101, 300), last: from(100, 102, 400), flags: from(0, 4, 4, 1) })],
  [3, call("fcntl", { fd: anyFd, command: from<number>(F.GETFD, F.GETFL), argument: zero })],
  [2, call("fcntl", { fd: anyFd, command: fc.constant(F.SETFD), argument: from(0, 1) })],
  [1, keep("fcntl", { fd: anyFd, command: from<number>(F.DUPFD, F.DUPFD_CLOEXEC), argument: from(100, 200) }, names)],
  [
    3,
    fc.array(anyFd, { minLength: 1, maxLength: 3 }).map((
      some
    ): Scenario => [line("poll", { fds: some, events: POLL.IN | POLL.OUT, timeout: 0 }, see)])
  ],
  [1, keep("memfd_create", { name: from("m", ""), flags: from(0, MFD.CLOEXEC, MFD.ALLOW_SEALING, 64) }, names)],
  [1, call("fcntl", { fd: fds, command: from<number>(F.ADD_SEALS, F.GET_SEALS), argument: from(1, 2, 4, 8) })],
  [1, call("ftruncate", { fd: anyFd, length: from(0n, 10n) })],
  [
    1,
    keep("openat", {
      dirfd: here,
      path: from("file", ".", "other"),
      flags: fc.tuple(from<number>(O.RDONLY, O.WRONLY, O.RDWR), flags(O.CREAT, O.CLOEXEC, O.APPEND)).map((
        [access, more]
      ) => access | more),
      mode: fc.constant(0o600)
    }, names)
  ],
  [1, call("flock", { fd: anyFd, operation: from(LOCK.SH | LOCK.NB, LOCK.EX | LOCK.NB, LOCK.UN) })],
  [
    1,
    call(
      "statx",
      { dirfd: anyFd, path: fc.constant(""), flags: fc.constant(AT.EMPTY_PATH), mask: fc.constant(0x7ff) },
      { see: ["mode", "size", "uid"] }
    )
  ],
  [1, call("fchmod", { fd: anyFd, mode: modes })],
  [1, call("fsync", { fd: anyFd })]
)

export const descriptors = sequence(
  fc.oneof({ weight: 25, arbitrary: descriptorStep }, { weight: 1, arbitrary: inFork(zero, descriptorStep) }),
  [
    line("pipe2", { flags: O.NONBLOCK }, as("p")),
    line("socketpair", { type: SOCK.STREAM | SOCK.NONBLOCK }, as("s")),
    line("socketpair", { type: SOCK.SEQPACKET | SOCK.NONBLOCK }, as("t"))
  ],
  16
)
