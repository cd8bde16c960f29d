/**
 * Steps for generated scenarios in which two matters meet: mounts and what is renamed or removed beneath them, mounts and
 * user namespaces, capabilities and what they are for, handles and what they are of, limits and what is at their edge.
 */
import * as fc from "fast-check"
import { AT, CLONE, F, MNT, MOUNT_ATTR, MS, O, OPEN_TREE, PR, RLIMIT, S } from "../../src/native/constants.ts"
import { call, flagsUpTo, from, here, type Steps, weighted } from "./generatedParts.ts"
import { type Child, cwd, type Line, type Scenario } from "./parityLines.ts"
import { as, line, see } from "./vocabulary.ts"

const flags = flagsUpTo(2)
const zero = fc.constant(0)
const nothing = fc.constant(null)
const modes = from(0o755, 0o700, 0o777, 0o1777, 0o2775, 0o500, 0o000)
const child = (flag: fc.Arbitrary<number>, step: Steps, before: Scenario = [], maxLength = 5): Steps =>
  fc.tuple(flag, fc.array(step, { minLength: 1, maxLength })).map(([some, lines]): Scenario => [
    { fork: some, lines: [...(some & CLONE.NEWUSER) === 0 ? [] : before, ...lines.flat()] } satisfies Child
  ])
const writing = (path: string, data: string): Scenario => [
  line("openat", { dirfd: cwd, path, flags: O.WRONLY, mode: 0 }, as("w")),
  line("write", { fd: "$w", data }, see),
  line("close", { fd: "$w" })
]
const rootOnly: Scenario = [
  ...writing("/proc/self/setgroups", "deny"),
  ...writing("/proc/self/uid_map", "0 0 1"),
  ...writing("/proc/self/gid_map", "0 0 1")
]
const become: Steps = from<Scenario>(
  [
    line("setresgid", { rgid: 1000, egid: 1000, sgid: 1000 }),
    line("setresuid", { ruid: 1000, euid: 1000, suid: 1000 })
  ],
  [line("setresuid", { ruid: -1, euid: 1000, suid: -1 })],
  [line("setresuid", { ruid: -1, euid: 2000, suid: -1 })],
  [line("setresuid", { ruid: -1, euid: 0, suid: -1 })]
)

// ── mounts, and what is renamed and removed beneath them ─────────────────────────────────────────────────────────────

const trees = from("a", "a", "a/d", "a/d", "a/d/e", "b", "b/d", "c", "c/d", "a/f", "b/f", ".", "/mnt/a")
const handles = from("h", "k")
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

// ── mounts in user namespaces ────────────────────────────────────────────────────────────────────────────────────────

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

// ── capabilities, securebits, and what they are for ──────────────────────────────────────────────────────────────────

/** CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, SETGID, SETUID, SETPCAP, SYS_CHROOT, SYS_ADMIN, MKNOD. */
const powers = [0, 1, 2, 3, 4, 6, 7, 8, 18, 21, 27]
const all = 0x1fffeffffffn
const some = fc.subarray(powers, { maxLength: 4 }).map((bits) => bits.reduce((set, bit) => set | 1n << BigInt(bit), 0n))
const without = fc.subarray(powers, { minLength: 1, maxLength: 3 }).map((bits) =>
  bits.reduce((set, bit) => set & ~(1n << BigInt(bit)), all)
)
const sets = fc.oneof({ weight: 3, arbitrary: some }, { weight: 3, arbitrary: without }, {
  weight: 1,
  arbitrary: from(0n, all)
})
const prctl = (option: number, arg2: fc.Arbitrary<number>, arg3: fc.Arbitrary<number> = zero): Steps =>
  call("prctl", { option: fc.constant(option), arg2, arg3, arg4: zero, arg5: zero }, see)
const things = from("f", "f", "o", "o", "d", "d/f", "s", "s/o", "s/f", "g", "g/f", "x")
const ids = from(0, 1000, 2000, -1)
const powerStep: Steps = weighted(
  [
    4,
    fc.tuple(sets, sets).map((
      [effective, inheritable]
    ): Scenario => [line("capset", { effective, permitted: all, inheritable })])
  ],
  [3, sets.map((set): Scenario => [line("capset", { effective: set, permitted: set, inheritable: 0n })])],
  [3, prctl(PR.SET_SECUREBITS, flags(1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80))],
  [1, prctl(PR.GET_SECUREBITS, zero)],
  [2, prctl(PR.SET_KEEPCAPS, from(0, 1))],
  [
    2,
    prctl(
      PR.CAP_AMBIENT,
      from<number>(PR.CAP_AMBIENT_RAISE, PR.CAP_AMBIENT_LOWER, PR.CAP_AMBIENT_IS_SET),
      from(...powers)
    )
  ],
  [2, prctl(PR.CAPBSET_DROP, from(...powers))],
  [5, become],
  [2, call("setresgid", { rgid: ids, egid: ids, sgid: ids })],
  [1, call("setgroups", { groups: from<ReadonlyArray<number>>([], [2000], [0, 1000]) })],
  [3, call("fchownat", { dirfd: here, path: things, uid: ids, gid: ids, flags: zero })],
  [3, call("fchmodat", { dirfd: here, path: things, mode: from(0o644, 0o4755, 0o2755, 0o6711, 0o600, 0o1777) })],
  [
    2,
    call("statx", { dirfd: here, path: things, flags: zero, mask: fc.constant(0x7ff) }, { see: ["mode", "uid", "gid"] })
  ],
  [
    3,
    call("openat", {
      dirfd: here,
      path: things,
      flags: from(O.RDONLY, O.RDWR | O.NONBLOCK, O.WRONLY | O.TRUNC, O.CREAT | O.RDWR),
      mode: from(0o600, 0o2755)
    }, as("h"))
  ],
  [1, call("write", { fd: fc.constant("$h"), data: fc.constant("x") }, see)],
  [2, call("unlinkat", { dirfd: here, path: things, flags: from(0, AT.REMOVEDIR) })],
  [2, call("renameat2", { olddirfd: here, oldpath: things, newdirfd: here, newpath: things, flags: from(0, 1, 2) })],
  [1, call("mkdirat", { dirfd: here, path: from("x", "s/x", "g/x"), mode: modes })],
  [
    1,
    call("mknodat", {
      dirfd: here,
      path: from("n", "s/n"),
      mode: from(S.IFCHR | 0o666, S.IFIFO | 0o600),
      major: fc.constant(1),
      minor: from(3, 0)
    })
  ],
  [1, call("chroot", { path: from("d", "s") })],
  [1, call("sethostname", { name: from("one", "two") })],
  [
    1,
    call("mount", {
      source: fc.constant("t"),
      target: from("d", "s"),
      type: fc.constant("tmpfs"),
      flags: zero,
      data: nothing
    })
  ],
  [
    1,
    call("setxattr", {
      path: things,
      name: from("user.x", "trusted.x", "security.x"),
      value: fc.constant(new TextEncoder().encode("1"))
    })
  ],
  [1, call("faccessat2", { dirfd: here, path: things, mode: from(1, 2, 4), flags: from(0, AT.EACCESS) })],
  [1, call("capget", { pid: zero }, see)]
)
export const powerStart: ReadonlyArray<Line> = [
  line("openat", { dirfd: cwd, path: "f", flags: O.CREAT, mode: 0o644 }),
  line("openat", { dirfd: cwd, path: "o", flags: O.CREAT, mode: 0o640 }),
  line("fchownat", { dirfd: cwd, path: "o", uid: 1000, gid: 2000, flags: 0 }),
  line("mkdirat", { dirfd: cwd, path: "d", mode: 0o700 }),
  line("mkdirat", { dirfd: cwd, path: "s", mode: 0o755 }),
  line("fchmodat", { dirfd: cwd, path: "s", mode: 0o1777 }),
  line("openat", { dirfd: cwd, path: "s/o", flags: O.CREAT, mode: 0o666 }),
  line("fchownat", { dirfd: cwd, path: "s/o", uid: 2000, gid: 2000, flags: 0 }),
  line("mkdirat", { dirfd: cwd, path: "g", mode: 0o755 }),
  line("fchownat", { dirfd: cwd, path: "g", uid: 1000, gid: 2000, flags: 0 }),
  line("fchmodat", { dirfd: cwd, path: "g", mode: 0o2777 })
]
export const powerSteps: Steps = fc.oneof(
  { weight: 14, arbitrary: powerStep },
  { weight: 1, arbitrary: child(from<number>(0, CLONE.NEWUSER), powerStep, rootOnly) }
)

// ── limits at their edges, and handles of all kinds ──────────────────────────────────────────────────────────────────

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

// ── files of control groups ──────────────────────────────────────────────────────────────────────────────────────────

const texts = fc.oneof(
  { weight: 3, arbitrary: from("0", "1", "2", "10", "100", "1000", "5000", "100000", "1000000", "max", "-1") },
  {
    weight: 2,
    arbitrary: from("4096", "4097", "1m", "2G", "0x1000", "010", "9223372036854771712", "18446744073709551616")
  },
  {
    weight: 2,
    arbitrary: from(
      "",
      " ",
      "x",
      "1 ",
      " 1",
      "1\n",
      "+1",
      "1 2",
      "0-1",
      "0,1",
      "FROZEN",
      "THAWED",
      "5000 10000",
      "max 1000"
    )
  }
)
const files: Readonly<Record<string, ReadonlyArray<string>>> = {
  cpu: ["cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.cfs_burst_us", "cpu.idle"],
  // no limit of what is in use, of which nobody knows how much it is
  memory: ["memory.soft_limit_in_bytes", "memory.kmem.tcp.limit_in_bytes", "memory.swappiness", "memory.oom_control"],
  cpuset: ["cpuset.cpus", "cpuset.mems", "cpuset.cpu_exclusive", "cpuset.memory_migrate"],
  freezer: ["freezer.state"],
  pids: ["pids.max"],
  unified: ["cgroup.max.depth", "cgroup.max.descendants", "cgroup.freeze", "hugetlb.2MB.max", "cgroup.subtree_control"]
}
/** @param top a directory of its own in each hierarchy; @param present the hierarchies that there are */
export const groupValueSteps = (name: string, present: ReadonlyArray<string>): Steps =>
  from(...present.length === 0 ? [""] : present).chain((controller): Steps => {
    if (controller === "") return fc.constant([])
    const top = `/sys/fs/cgroup/${controller}/${name}`
    const group = from(top, `${top}/a`, `${top}/a/b`)
    return weighted(
      [
        4,
        fc.tuple(group, from(...files[controller]!), texts).map(([path, file, text]): Scenario => [
          ...writing(`${path}/${file}`, text),
          line("openat", { dirfd: cwd, path: `${path}/${file}`, flags: O.RDONLY, mode: 0 }, as("r")),
          line("read", { fd: "$r", count: 200 }, see),
          line("close", { fd: "$r" })
        ])
      ],
      [2, call("mkdirat", { dirfd: here, path: group, mode: fc.constant(0o755) })],
      [1, call("unlinkat", { dirfd: here, path: group, flags: fc.constant(AT.REMOVEDIR) })]
    )
  })
