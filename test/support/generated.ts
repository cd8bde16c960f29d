/**
 * Scenarios that nobody thought of: for each area, sequences of calls over a few names, paths, ids and flags, so that calls
 * often meet what earlier ones have left.
 *
 * What could wait for ever is opened so that it does not, and what a sequence leaves ends with its namespaces.
 */
import * as fc from "fast-check"
import { existsSync } from "node:fs"
import {
  AT,
  CLONE,
  F,
  FSCONFIG,
  LOCK,
  MFD,
  MNT,
  MOUNT_ATTR,
  MOVE_MOUNT,
  MS,
  MSG,
  O,
  OPEN_TREE,
  POLL,
  PR,
  RLIMIT,
  S,
  SHUT,
  SIG,
  SO,
  SOCK,
  UMOUNT
} from "../../src/native/constants.ts"
import { mountDataStep, numberStep, thingStart, thingStep, userSteps } from "./generatedData.ts"
import { becomeSomebody, call, flagsUpTo, from, here, type Steps, weighted } from "./generatedParts.ts"
import {
  edgeStart,
  edgeSteps,
  groupValueSteps,
  inUserStart,
  inUserSteps,
  powerStart,
  powerSteps,
  treeStart,
  treeSteps
} from "./generatedPowers.ts"
import { markOf } from "./mark.ts"
import { type Child, cwd, type Line, type Scenario } from "./parityLines.ts"
import { as, gate, kill, line, openGate, pass, see, start, waitFor } from "./vocabulary.ts"

const flags = flagsUpTo(3)
const keep = (name: Line["call"], args: Readonly<Record<string, fc.Arbitrary<unknown>>>, names: fc.Arbitrary<string>) =>
  fc.tuple(fc.record(args), names).map(([values, name_]): Scenario => [line(name, values, as(name_))])
/** A sequence: some of the usual beginnings, then what comes. */
const sequence = (step: Steps, beginnings: ReadonlyArray<Line> = [], maxLength = 14): fc.Arbitrary<Scenario> =>
  fc.tuple(fc.subarray([...beginnings]), fc.array(step, { minLength: 1, maxLength })).map(([first, rest]) => [
    ...first,
    ...rest.flat()
  ])
const inFork = (flags: fc.Arbitrary<number>, step: Steps, maxLength = 6): Steps =>
  fc.tuple(flags, fc.array(step, { minLength: 1, maxLength })).map(([flag, lines]): Scenario => [
    { fork: flag, lines: lines.flat() } satisfies Child
  ])

const zero = fc.constant(0)

// ── files and paths ──────────────────────────────────────────────────────────────────────────────────────────────────

const paths = from(
  ..."a a b c a/b a/b a/c a/b/c b/a l l/a m /mnt/a /mnt/b/a ../mnt/b a/../b a/. b/ l/ . ./a//b ../../mnt/l/c /mnt"
    .split(" "),
  ""
)
const names = from("f", "g", "h")
const fds = names.map((name) => `$${name}`)
const dirs = fc.oneof({ weight: 5, arbitrary: here as fc.Arbitrary<unknown> }, { weight: 1, arbitrary: fds })
const modes = from(0o644, 0o755, 0o700, 0o600, 0o777, 0o000, 0o1777, 0o2755, 0o4755, 0o070, 0o007)
const ids = from(0, 0, 1000, 1000, 2000, -1)
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
const texts = from("x", "hello", "0123456789abcdef", "")
const makeDirectory = call("mkdirat", { dirfd: dirs, path: paths, mode: modes })
const fileStep: Steps = weighted(
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
const fileStart: ReadonlyArray<Line> = [
  line("mkdirat", { dirfd: cwd, path: "a", mode: 0o755 }),
  line("mkdirat", { dirfd: cwd, path: "a/b", mode: 0o777 }),
  line("openat", { dirfd: cwd, path: "a/c", flags: O.CREAT | O.RDWR, mode: 0o644 }, as("f")),
  line("symlinkat", { target: "a", dirfd: cwd, path: "l" })
]
const files = sequence(
  fc.oneof({ weight: 30, arbitrary: fileStep }, { weight: 1, arbitrary: inFork(zero, fileStep) }),
  fileStart
)

// ── mounts ───────────────────────────────────────────────────────────────────────────────────────────────────────────

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
const below = from("a", "a", "b", "b", "c", "a/d", "a/d", "b/d", ".", "a/f", "/mnt/a")
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
const nothing = fc.constant(null)
const mountStep: Steps = weighted(
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
const mountStart: ReadonlyArray<Line> = [
  ...["a", "b", "c"].map((path) => line("mkdirat", { dirfd: cwd, path, mode: 0o755 })),
  line("mount", { source: null, target: "/mnt", type: null, flags: MS.SHARED, data: null }),
  line("mount", { source: "tmpfs", target: "a", type: "tmpfs", flags: 0, data: null }),
  line("mkdirat", { dirfd: cwd, path: "a/d", mode: 0o755 }),
  line("mount", { source: "a", target: "b", type: null, flags: MS.BIND, data: null })
]
const mounts = sequence(
  fc.oneof({ weight: 15, arbitrary: mountStep }, {
    weight: 1,
    arbitrary: inFork(from(CLONE.NEWNS, CLONE.NEWNS | CLONE.NEWUSER, 0), mountStep)
  }),
  mountStart,
  12
)

// ── credentials and capabilities ─────────────────────────────────────────────────────────────────────────────────────

const capability = from(0, 6, 7, 8, 12, 21, 40)
const sets = flags(0x1, 0x40, 0x80, 0x100, 0x1000, 0x200000).map(BigInt)
const all = 0x1fffeffffffn
const someSet = fc.oneof({ weight: 3, arbitrary: sets }, { weight: 1, arbitrary: from(0n, all) })
const prctl = (option: number, arg2: fc.Arbitrary<number>, arg3: fc.Arbitrary<number> = zero): Steps =>
  call("prctl", { option: fc.constant(option), arg2, arg3, arg4: zero, arg5: zero }, see)
const writing = (path: string, data: fc.Arbitrary<string>): Steps =>
  data.map((text): Scenario => [
    line("openat", { dirfd: cwd, path, flags: O.WRONLY, mode: 0 }, as("w")),
    line("write", { fd: "$w", data: text }, see),
    line("close", { fd: "$w" })
  ])
const maps = from(
  "0 0 1\n",
  "0 1000 1\n",
  "0 0 4000\n",
  "0 1000 10\n",
  "1000 1000 1\n",
  "0 0 1000\n2000 2000 5\n",
  "5 0 1\n",
  "0 2000 1\n"
)
const credentialStep: Steps = weighted(
  [5, call("setresuid", { ruid: ids, euid: ids, suid: ids })],
  [3, call("setresgid", { rgid: ids, egid: ids, sgid: ids })],
  [2, call("setgroups", { groups: from<ReadonlyArray<number>>([], [1000], [0, 2000], [5, 1000, 3]) })],
  [4, call("capset", { effective: someSet, permitted: someSet, inheritable: someSet })],
  [
    2,
    fc.tuple(someSet, someSet).map((
      [some, inheritable]
    ) => [line("capset", { effective: some, permitted: some, inheritable })])
  ],
  [1, prctl(PR.SET_KEEPCAPS, from(0, 1, 1, 2))],
  [2, prctl(PR.SET_SECUREBITS, flags(1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80))],
  [1, prctl(PR.SET_NO_NEW_PRIVS, from(1, 0))],
  [2, prctl(PR.CAPBSET_DROP, capability)],
  [1, prctl(PR.CAPBSET_READ, from(0, 21, 63, 41))],
  [
    3,
    prctl(
      PR.CAP_AMBIENT,
      from<number>(PR.CAP_AMBIENT_RAISE, PR.CAP_AMBIENT_RAISE, PR.CAP_AMBIENT_LOWER, PR.CAP_AMBIENT_IS_SET),
      capability
    )
  ],
  [1, prctl(PR.CAP_AMBIENT, fc.constant(PR.CAP_AMBIENT_CLEAR_ALL))],
  [1, prctl(PR.SET_DUMPABLE, from(0, 1, 2))],
  [1, prctl(PR.SET_PDEATHSIG, from(0, 9, 65))],
  [1, prctl(PR.GET_PDEATHSIG, zero)],
  [1, call("getresuid", {}, see)],
  [1, call("getgroups", {}, see)],
  [1, call("capget", { pid: zero }, see)],
  [2, call("unshare", { flags: fc.constant(CLONE.NEWUSER) })],
  [2, writing("/proc/self/uid_map", maps)],
  [2, writing("/proc/self/gid_map", maps)],
  [1, writing("/proc/self/setgroups", from("deny", "allow", "x"))],
  [1, call("sethostname", { name: from("one", "two") })],
  [1, call("mkdirat", { dirfd: here, path: from("a", "a/b"), mode: fc.constant(0o755) })],
  [1, call("fchownat", { dirfd: here, path: fc.constant("a"), uid: ids, gid: ids, flags: zero })]
)
const credentials = sequence(
  fc.oneof({ weight: 20, arbitrary: credentialStep }, {
    weight: 1,
    arbitrary: inFork(from(0, CLONE.NEWUSER), credentialStep)
  }),
  [
    line("capset", { effective: all, permitted: all, inheritable: all }),
    line("prctl", { option: PR.SET_DUMPABLE, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
  ]
)

// ── processes and signals ────────────────────────────────────────────────────────────────────────────────────────────

/** Those that do not stop: a stopped process would be waited for. */
const signals = from<number>(
  SIG.HUP,
  SIG.USR1,
  SIG.USR2,
  SIG.PIPE,
  SIG.TERM,
  SIG.CHLD,
  SIG.CONT,
  SIG.WINCH,
  SIG.URG,
  40
)
/** Without SIGCHLD: the children of whoever ignores it are gone at a time of their own. */
const others = signals.filter((signal) => signal !== SIG.CHLD)
const somePid = from<string | number>("$me", "$me", "$me", 1, 4000000)
const signalStep: Steps = weighted(
  [
    4,
    call("rt_sigaction", {
      signal: fc.oneof(others, from<number>(SIG.KILL, SIG.STOP, 65, 0)),
      disposition: from("SIG_IGN", "SIG_IGN", "SIG_DFL")
    })
  ],
  [
    4,
    call("rt_sigprocmask", {
      how: from(0, 1, 2),
      signals: fc.array(fc.oneof(signals, from<number>(SIG.KILL)), { maxLength: 3 })
    }, { see: true })
  ],
  [4, call("kill", { pid: somePid, signal: fc.oneof(signals, from(0, 65, -1)) })],
  [1, call("setsid", {}, see)],
  [1, call("getsid", { pid: somePid }, see)],
  [1, call("getppid", {}, see)],
  [1, call("getpid", {}, see)],
  [1, prctl(PR.SET_CHILD_SUBREAPER, from(0, 1))],
  [
    1,
    call("waitid", { idtype: from(0, 1, 2, 9), id: from(0, 1, 77), options: from(4, 5, 0, 2, 1, 12) }, {
      see: ["code", "status"]
    })
  ],
  [1, keep("pidfd_open", { pid: somePid, flags: from(0, 1, O.NONBLOCK) }, names)],
  [1, call("pidfd_send_signal", { pidfd: fds, signal: fc.oneof(signals, from(0, 65)) })],
  [1, becomeSomebody],
  [
    1,
    call("prlimit64", {
      pid: from<string | number>(0, "$me", 1),
      resource: from<number>(RLIMIT.NOFILE, RLIMIT.CORE, RLIMIT.NPROC),
      limit: from({ soft: 10000n, hard: 20000n }, { soft: 30000n, hard: 10000n }, { soft: 600n, hard: 600n })
    })
  ],
  [1, from(0, 1, 7).map((status): Scenario => [{ fork: 0, lines: [line("exit_group", { status })] }])]
)
/** A child beside that waits, is signalled, and is waited for. */
const besides: Steps = fc.tuple(
  fc.array(signalStep, { maxLength: 3 }),
  fc.array(signals, { minLength: 1, maxLength: 3 }),
  fc.boolean()
).map(([inside, sent, masked]): Scenario => [
  gate("ready"),
  gate("never"),
  start("child", 0, [
    line("getpid", {}, as("me")),
    ...masked ? [line("rt_sigprocmask", { how: 0, signals: [SIG.TERM, SIG.USR1] })] : [],
    ...inside.flat(),
    openGate("ready"),
    pass("never")
  ]),
  line("close", { fd: "$ready.1" }),
  pass("ready"),
  ...sent.map((signal) => kill("$child", signal)),
  kill("$child", SIG.KILL),
  waitFor("$child"),
  waitFor("$child")
])
const processes = sequence(
  fc.oneof({ weight: 12, arbitrary: signalStep }, { weight: 2, arbitrary: besides }, {
    weight: 1,
    arbitrary: inFork(from(0, CLONE.NEWPID, CLONE.NEWUSER), signalStep)
  }),
  [],
  10
).map((lines): Scenario => [
  // as process 2 of a pid namespace, so that the numbers are the same on both sides
  { fork: CLONE.NEWPID, lines: [{ fork: 0, lines: [line("getpid", {}, as("me")), ...lines] }] }
])

// ── descriptors, pipes, sockets ──────────────────────────────────────────────────────────────────────────────────────

const pairs = from("p", "q", "s", "t")
const ends = fc.tuple(pairs, from("0", "1")).map(([name, end]) => `$${name}.${end}`)
const anyFd = fc.oneof({ weight: 4, arbitrary: ends as fc.Arbitrary<unknown> }, { weight: 2, arbitrary: fds }, {
  weight: 1,
  arbitrary: from(100, 101, 499)
})
const descriptorStep: Steps = weighted(
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
const descriptors = sequence(
  fc.oneof({ weight: 25, arbitrary: descriptorStep }, { weight: 1, arbitrary: inFork(zero, descriptorStep) }),
  [
    line("pipe2", { flags: O.NONBLOCK }, as("p")),
    line("socketpair", { type: SOCK.STREAM | SOCK.NONBLOCK }, as("s")),
    line("socketpair", { type: SOCK.SEQPACKET | SOCK.NONBLOCK }, as("t"))
  ],
  16
)

// ── namespaces ───────────────────────────────────────────────────────────────────────────────────────────────────────

const newNamespaces = flags(
  CLONE.NEWUSER,
  CLONE.NEWUTS,
  CLONE.NEWIPC,
  CLONE.NEWNS,
  CLONE.NEWPID,
  CLONE.NEWCGROUP,
  CLONE.NEWTIME
)
const forkFlags = flags(CLONE.NEWUSER, CLONE.NEWUTS, CLONE.NEWIPC, CLONE.NEWNS, CLONE.NEWPID)
const namespaceStep: Steps = weighted(
  [4, call("unshare", { flags: newNamespaces })],
  [
    4,
    keep("openat", {
      dirfd: here,
      path: from("uts", "user", "ipc", "mnt", "pid", "pid_for_children", "cgroup", "time").map((name) =>
        `/proc/self/ns/${name}`
      ),
      flags: fc.constant(O.RDONLY),
      mode: zero
    }, names)
  ],
  [
    5,
    call("setns", {
      fd: fds,
      nstype: fc.oneof({ weight: 3, arbitrary: zero as fc.Arbitrary<number> }, {
        weight: 1,
        arbitrary: from<number>(CLONE.NEWUTS, CLONE.NEWUSER, CLONE.NEWNS)
      })
    })
  ],
  [3, call("sethostname", { name: from("one", "two", "three") })],
  [1, call("setdomainname", { name: from("d", "") })],
  [1, call("uname", {}, { see: ["nodename", "domainname"] })],
  [2, writing("/proc/self/uid_map", maps)],
  [2, writing("/proc/self/gid_map", maps)],
  [1, writing("/proc/self/setgroups", from("deny", "allow"))],
  [1, becomeSomebody],
  [1, prctl(PR.SET_DUMPABLE, fc.constant(1))],
  [1, call("capset", { effective: someSet, permitted: someSet, inheritable: fc.constant(0n) })],
  [
    1,
    call("mount", {
      source: fc.constant("tmpfs"),
      target: from("a", "/mnt"),
      type: fc.constant("tmpfs"),
      flags: zero,
      data: nothing
    })
  ],
  [1, call("mkdirat", { dirfd: here, path: fc.constant("a"), mode: fc.constant(0o755) })],
  [1, call("chroot", { path: from("a", "/") })],
  [1, call("getresuid", {}, see)],
  [1, call("close", { fd: fds })]
)
const namespaces = sequence(
  fc.oneof({ weight: 12, arbitrary: namespaceStep }, { weight: 1, arbitrary: inFork(forkFlags, namespaceStep) }),
  [line("openat", { dirfd: cwd, path: "/proc/self/ns/uts", flags: 0, mode: 0 }, as("f"))],
  10
)

// ── network ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const linkNames = from("v", "w", "x", "br", "lo", "nothing")
const newNames = from("v", "w", "x", "br", "y", "a-name-that-is-too-long", "a/b", "")
const addresses = from("10.0.0.1/24", "10.0.0.2/24", "10.1.0.1/16", "127.0.0.5/8", "192.168.0.1/32")
const request = (
  tag: string,
  of: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  requiredKeys?: ReadonlyArray<string>
): Steps =>
  fc.record(of, requiredKeys === undefined ? {} : { requiredKeys: [...requiredKeys] }).map((fields): Scenario => [
    line("rtnetlink", { request: { _tag: tag, ...fields as object } })
  ])
const networkStep: Steps = weighted(
  [3, request("BridgeAdd", { name: newNames })],
  [4, request("VethAdd", { name: newNames, peer: newNames })],
  [1, request("LinkDelete", { link: linkNames })],
  [
    8,
    request("LinkSet", {
      link: linkNames,
      up: fc.boolean(),
      name: newNames,
      mac: from("02:00:00:00:00:05", "03:00:00:00:00:05", "00:00:00:00:00:00"),
      mtu: from(1400, 10, 70000, 1500, 65535),
      master: from(0, 1, 2, 3, 4, 5),
      alias: from("text", "")
    }, ["link"])
  ],
  [6, request("AddressAdd", { link: linkNames, address: addresses })],
  [
    5,
    request("RouteAdd", {
      destination: from("10.5.0.0/16", "10.0.0.0/24", "10.0.0.1/32", "10.6.0.1/16"),
      gateway: from("10.0.0.1", "10.0.0.9", "10.1.0.7", "10.9.0.1", "127.0.0.1"),
      link: linkNames,
      source: from("10.0.0.1", "10.0.0.2", "10.0.0.77")
    }, [])
  ],
  [
    2,
    fc.constant([
      line("rtnetlink", { request: { _tag: "LinkList" } }, {
        see: ["*.name", "*.index", "*.mtu", "*.master", "*.alias", "*.flags.&1"]
      })
    ])
  ],
  // no list of routes: those of IPv6 come once an address has been looked for on the link
  [1, becomeSomebody]
)
const network = sequence(networkStep, [
  line("rtnetlink", { request: { _tag: "BridgeAdd", name: "br" } }),
  line("rtnetlink", { request: { _tag: "VethAdd", name: "v", peer: "w" } }),
  line("rtnetlink", { request: { _tag: "LinkSet", link: "v", up: true } }),
  line("rtnetlink", { request: { _tag: "AddressAdd", link: "v", address: "10.0.0.1/24" } })
])

// ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A directory of their own, which is removed again after each sequence. */
const top = `/sys/fs/cgroup/pids/${markOf("runfx-generated-")}`
const group = from(`${top}`, `${top}/a`, `${top}/a/b`, `${top}/c`)
const ofGroup = (files: ReadonlyArray<string>) =>
  fc.tuple(group, from(...files)).map(([path, file]) => `${path}/${file}`)
const groupStep: Steps = weighted(
  [4, call("mkdirat", { dirfd: here, path: group, mode: fc.constant(0o755) })],
  [3, call("unlinkat", { dirfd: here, path: group, flags: from(AT.REMOVEDIR, AT.REMOVEDIR, 0) })],
  [
    4,
    fc.tuple(
      ofGroup(["pids.max", "notify_on_release", "cgroup.clone_children", "pids.current"]),
      from("0", "1", "max", "10", "x", "-1")
    ).chain(([path, data]) => writing(path, fc.constant(data)))
  ],
  // only the caller: another number may be a process of the machine
  [
    4,
    fc.tuple(ofGroup(["cgroup.procs", "tasks"]), from("0", "0", "0", "x", "-1", "4194305")).chain(([path, data]) =>
      writing(path, fc.constant(data))
    )
  ],
  [
    4,
    ofGroup(["pids.max", "pids.current", "notify_on_release", "cgroup.clone_children"]).map((path): Scenario => [
      line("openat", { dirfd: cwd, path, flags: O.RDONLY, mode: 0 }, as("r")),
      line("read", { fd: "$r", count: 100 }, see),
      line("close", { fd: "$r" })
    ])
  ],
  [1, fc.constant([{ fork: 0, lines: [line("getppid")] }])],
  [1, call("renameat2", { olddirfd: here, oldpath: group, newdirfd: here, newpath: group, flags: zero })],
  [1, call("fchmodat", { dirfd: here, path: group, mode: from(0o700, 0o755) })],
  [1, call("statx", { dirfd: here, path: group, flags: zero, mask: fc.constant(0x7ff) }, { see: ["mode", "uid"] })],
  [
    1,
    call("openat", {
      dirfd: here,
      path: group.map((path) => `${path}/file`),
      flags: fc.constant(O.CREAT | O.WRONLY),
      mode: fc.constant(0o644)
    })
  ]
)
const groups = sequence(groupStep, [
  line("mkdirat", { dirfd: cwd, path: top, mode: 0o755 }),
  line("mkdirat", { dirfd: cwd, path: `${top}/a`, mode: 0o755 })
], 10).map((lines): Scenario => [
  { fork: 0, lines },
  ...[`${top}/a/b`, `${top}/a`, `${top}/c`, top].map((path) =>
    line("unlinkat", { dirfd: cwd, path, flags: AT.REMOVEDIR })
  )
])

// ── all together ─────────────────────────────────────────────────────────────────────────────────────────────────────

const mixed = sequence(
  fc.oneof(
    fileStep,
    mountStep,
    credentialStep,
    descriptorStep,
    namespaceStep,
    inFork(forkFlags, fc.oneof(fileStep, mountStep, credentialStep))
  ),
  [...fileStart, ...mountStart],
  16
)

const mountData = sequence(mountDataStep, [
  line("mkdirat", { dirfd: cwd, path: "d", mode: 0o755 }),
  line("mkdirat", { dirfd: cwd, path: "e", mode: 0o755 })
], 14)
const things = sequence(
  fc.oneof({ weight: 20, arbitrary: thingStep }, { weight: 1, arbitrary: inFork(from(0, CLONE.NEWUSER), thingStep) }),
  thingStart,
  14
)
const users = sequence(userSteps, [], 10)
/** In a process of its own, since some numbers stay with it. */
const numbers = sequence(numberStep, [], 8).map((lines): Scenario => [{ fork: CLONE.NEWIPC | CLONE.NEWNET, lines }])

const trees = sequence(treeSteps, treeStart)
const inUser = sequence(inUserSteps, inUserStart, 8)
const powers = sequence(powerSteps, powerStart, 16)
const edges = sequence(edgeSteps, edgeStart, 16)

/** Groups of their own in each hierarchy, which are removed again after each sequence. */
const valued = markOf("runfx-values-")
const hierarchies = ["cpu", "memory", "cpuset", "freezer", "pids", "unified"].filter((name) =>
  existsSync(`/sys/fs/cgroup/${name}/cgroup.procs`)
)
const groupValues = sequence(groupValueSteps(valued, hierarchies), [], 10).map((lines): Scenario => [
  ...hierarchies.flatMap((name) =>
    ["", "/a"].map((below) =>
      line("mkdirat", { dirfd: cwd, path: `/sys/fs/cgroup/${name}/${valued}${below}`, mode: 0o755 })
    )
  ),
  ...lines,
  ...hierarchies.flatMap((name) =>
    ["/a/b", "/a", ""].map((below) =>
      line("unlinkat", { dirfd: cwd, path: `/sys/fs/cgroup/${name}/${valued}${below}`, flags: AT.REMOVEDIR })
    )
  )
])

/** Sequences by area, each with its share of a run. */
export const areas: Readonly<Record<string, { readonly share: number; readonly sequences: fc.Arbitrary<Scenario> }>> = {
  files: { share: 5, sequences: files },
  mounts: { share: 5, sequences: mounts },
  credentials: { share: 5, sequences: credentials },
  processes: { share: 2, sequences: processes },
  descriptors: { share: 5, sequences: descriptors },
  namespaces: { share: 3, sequences: namespaces },
  network: { share: 2, sequences: network },
  groups: { share: 1, sequences: groups },
  mountData: { share: 4, sequences: mountData },
  things: { share: 5, sequences: things },
  users: { share: 3, sequences: users },
  numbers: { share: 3, sequences: numbers },
  mixed: { share: 3, sequences: mixed },
  trees: { share: 3, sequences: trees },
  inUser: { share: 3, sequences: inUser },
  powers: { share: 3, sequences: powers },
  edges: { share: 3, sequences: edges },
  ...hierarchies.length === 0 ? {} : { groupValues: { share: 1, sequences: groupValues } }
}
