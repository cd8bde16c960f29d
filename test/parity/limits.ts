/** Resource limits, scheduling, io priorities, processors, memory policies, personalities. */
import { CLONE, F, MPOL_F, O, PR, RLIMIT, SCHED, SCHED_FLAG, SIG } from "../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../support/parity.ts"
import {
  as,
  become,
  exit,
  fork,
  gate,
  gids,
  join,
  line,
  lookAt,
  open,
  openGate,
  pass,
  prctl,
  readFile,
  see,
  start,
  touch,
  uids,
  waitFor,
  write
} from "../support/vocabulary.ts"

/** A user whom no process of the machine belongs to. */
const nobody = 54321
const infinity = 2n ** 64n - 1n

const limit = (resource: number, soft: bigint, hard: bigint, pid: string | number = 0): Line =>
  line("prlimit64", { pid, resource, limit: { soft, hard } }, see)
const ask = (resource: number, pid: string | number = 0): Line => line("prlimit64", { pid, resource, limit: null }, see)

/** A child of the caller that waits, as somebody. */
const sleeper = (name: string, as: Scenario = []): Scenario => [
  gate("asleep"),
  gate("ready"),
  start(name, 0, [...as, openGate("ready"), pass("asleep")]),
  pass("ready")
]

const resources: Readonly<Record<string, Scenario>> = {
  "limits are told": Object.values(RLIMIT).map((resource) => ask(resource)),
  "/proc/self/limits tells them too": readFile("/proc/self/limits"),
  "there are sixteen resources": [ask(16), ask(-1), ask(15), limit(16, 1n, 0n)],
  "the soft limit is not above the hard one": [
    limit(RLIMIT.CORE, 2n, 1n),
    limit(RLIMIT.CORE, 1n, 1n),
    limit(RLIMIT.CORE, 0n, 1n),
    ask(RLIMIT.CORE)
  ],
  "a hard limit is lowered for ever without CAP_SYS_RESOURCE": [
    limit(RLIMIT.FSIZE, 1000000n, 1000000n),
    fork(CLONE.NEWUSER, [limit(RLIMIT.FSIZE, 1000n, 1000001n), limit(RLIMIT.FSIZE, 1000n, 1000000n)]),
    ...become(nobody),
    limit(RLIMIT.FSIZE, 1000n, 1000001n),
    limit(RLIMIT.FSIZE, 1000n, 999999n),
    limit(RLIMIT.FSIZE, 999999n, 999999n),
    limit(RLIMIT.FSIZE, 999999n, infinity)
  ],
  "an infinite limit is above all others": [
    limit(RLIMIT.DATA, 1n << 63n, infinity),
    limit(RLIMIT.DATA, infinity, 1n << 63n)
  ],
  "open files are limited by fs.nr_open, whoever asks": [
    limit(RLIMIT.NOFILE, 100n, 1048577n),
    limit(RLIMIT.NOFILE, 100n, infinity),
    limit(RLIMIT.NOFILE, 600n, 700n)
  ],
  "children inherit limits": [
    limit(RLIMIT.CORE, 5n, 10n),
    fork(0, [ask(RLIMIT.CORE), limit(RLIMIT.CORE, 1n, 1n)]),
    ask(RLIMIT.CORE)
  ],
  "a new user namespace keeps limits": [
    limit(RLIMIT.MSGQUEUE, 5n, 10n),
    fork(CLONE.NEWUSER, [ask(RLIMIT.MSGQUEUE)])
  ],
  "prlimit of nobody": [ask(RLIMIT.CORE, 99999999), ask(99, 99999999), ask(RLIMIT.CORE, -1)],
  "prlimit of another with the same ids": [
    ...sleeper("other"),
    limit(RLIMIT.CORE, 1n, 2n, "$other"),
    ask(RLIMIT.CORE, "$other"),
    ask(RLIMIT.CORE)
  ],
  "prlimit of another user's process takes CAP_SYS_RESOURCE": [
    ...sleeper("other", become(nobody)),
    fork(0, [...become(nobody), ask(RLIMIT.CORE, "$other"), ask(99, "$other")]),
    fork(0, [...become(nobody + 1), ask(RLIMIT.CORE, "$other"), ask(99, "$other")]),
    ask(RLIMIT.CORE, "$other")
  ],
  "prlimit compares all three ids, and groups too": [
    ...sleeper("other", [
      line("setgroups", { groups: [] }),
      gids(nobody),
      line("setresuid", { ruid: nobody, euid: nobody, suid: nobody + 1 })
    ]),
    fork(0, [...become(nobody), ask(RLIMIT.CORE, "$other")]),
    ...sleeper("second", [line("setgroups", { groups: [] }), gids(nobody + 1), uids(nobody)]),
    fork(0, [...become(nobody), ask(RLIMIT.CORE, "$second")])
  ],
  "prlimit of a process in a user namespace of one's own": [
    gate("ready"),
    gate("asleep"),
    start("other", CLONE.NEWUSER, [openGate("ready"), pass("asleep")]),
    pass("ready"),
    limit(RLIMIT.CORE, 1n, 1n, "$other"),
    limit(RLIMIT.CORE, 1n, 2n, "$other")
  ]
}

const files: Readonly<Record<string, Scenario>> = {
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

const processes: Readonly<Record<string, Scenario>> = {
  "a user has at most RLIMIT_NPROC processes": [
    ...become(nobody),
    limit(RLIMIT.NPROC, 2n, 2n),
    fork(0, [fork(0, []), limit(RLIMIT.NPROC, 1n, 2n), fork(0, [])]),
    limit(RLIMIT.NPROC, 1n, 2n),
    fork(0, [])
  ],
  "dead processes count until they are waited for": [
    ...become(nobody),
    limit(RLIMIT.NPROC, 2n, 2n),
    start("child", 0, []),
    join("child"),
    fork(0, []),
    waitFor("$child"),
    fork(0, [])
  ],
  "root has as many as it likes": [limit(RLIMIT.NPROC, 0n, 0n), fork(0, [])],
  "root without capabilities too": [
    limit(RLIMIT.NPROC, 0n, 0n),
    line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
    fork(0, [])
  ],
  "a user with CAP_SYS_ADMIN too": [
    limit(RLIMIT.NPROC, 0n, 0n),
    prctl(PR.SET_KEEPCAPS, 1),
    uids(nobody),
    fork(0, []),
    line("capset", { effective: 1n << 21n, permitted: 1n << 21n, inheritable: 0n }),
    fork(0, [])
  ],
  "becoming a user with too many processes succeeds, and exec then fails": [
    ...sleeper("other", become(nobody)),
    fork(0, [
      limit(RLIMIT.NPROC, 0n, 0n),
      ...become(nobody),
      line("execve", { path: "/bin/true", argv: ["true"], envp: [] })
    ]),
    fork(0, [
      limit(RLIMIT.NPROC, 1n, 1n),
      ...become(nobody),
      line("execve", { path: "/bin/true", argv: ["true"], envp: [] })
    ])
  ],
  "exec looks at the limit again": [
    ...sleeper("other", become(nobody)),
    fork(0, [
      limit(RLIMIT.NPROC, 0n, 10n),
      ...become(nobody),
      line("execve", { path: "missing", argv: ["true"], envp: [] }),
      limit(RLIMIT.NPROC, 10n, 10n),
      line("execve", { path: "missing", argv: ["true"], envp: [] })
    ])
  ],
  "exec after a limit that was lowered later does not look": [
    ...become(nobody),
    limit(RLIMIT.NPROC, 0n, 0n),
    line("execve", { path: "missing", argv: ["true"], envp: [] })
  ]
}

const attributes = (policy: number, over: object = {}) => ({
  policy,
  flags: 0n,
  nice: 0,
  priority: 0,
  runtime: 0n,
  deadline: 0n,
  period: 0n,
  ...over
})
const schedule = (policy: number, over: object = {}, pid: string | number = 0): Line =>
  line("sched_setattr", { pid, attributes: attributes(policy, over) })
/** A tenth of a processor. */
const tenth = { runtime: 1_000_000n, deadline: 10_000_000n, period: 10_000_000n }

const scheduling: Readonly<Record<string, Scenario>> = {
  "policies that there are": [SCHED.NORMAL, SCHED.BATCH, SCHED.IDLE, 4, 8, 99, -1, -5].map((policy) =>
    schedule(policy)
  ),
  "a priority is for real time, and for it only": [
    schedule(SCHED.NORMAL, { priority: 1 }),
    schedule(SCHED.BATCH, { priority: 99 }),
    schedule(SCHED.IDLE, { priority: 1 }),
    schedule(SCHED.FIFO, { priority: 0 }),
    schedule(SCHED.RR, { priority: 100 }),
    schedule(SCHED.FIFO, { priority: -1 }),
    schedule(SCHED.RR, { priority: 99 }),
    schedule(SCHED.FIFO, { priority: 1 })
  ],
  "real time takes CAP_SYS_NICE, where RLIMIT_RTPRIO is 0": [
    ...become(nobody),
    schedule(SCHED.FIFO, { priority: 1 }),
    schedule(SCHED.RR, { priority: 1 }),
    schedule(SCHED.BATCH)
  ],
  "who is real time may have less": [
    schedule(SCHED.FIFO, { priority: 50 }),
    ...become(nobody),
    schedule(SCHED.FIFO, { priority: 51 }),
    schedule(SCHED.FIFO, { priority: 49 }),
    schedule(SCHED.FIFO, { priority: 50 }),
    schedule(SCHED.RR, { priority: 10 }),
    schedule(SCHED.NORMAL)
  ],
  "a lower nice value takes CAP_SYS_NICE, where RLIMIT_NICE is 0": [
    ...become(nobody),
    schedule(SCHED.NORMAL, { nice: 5 }),
    schedule(SCHED.NORMAL, { nice: 4 }),
    schedule(SCHED.NORMAL, { nice: 5 }),
    schedule(SCHED.BATCH, { nice: 3 }),
    schedule(SCHED.BATCH, { nice: 10 }),
    schedule(SCHED.NORMAL, { nice: 9 })
  ],
  "nice values are clamped": [
    schedule(SCHED.NORMAL, { nice: 100 }),
    schedule(SCHED.NORMAL, { nice: -100 }),
    ...become(nobody),
    schedule(SCHED.NORMAL, { nice: 1000 }),
    schedule(SCHED.NORMAL, { nice: 19 }),
    schedule(SCHED.NORMAL, { nice: 18 })
  ],
  "the nice value outlasts real time": [
    schedule(SCHED.NORMAL, { nice: 5 }),
    schedule(SCHED.FIFO, { priority: 3, nice: 0 }),
    ...become(nobody),
    schedule(SCHED.NORMAL, { nice: 4 }),
    schedule(SCHED.NORMAL, { nice: 5 })
  ],
  "who is idle stays so without CAP_SYS_NICE": [
    ...become(nobody),
    schedule(SCHED.IDLE),
    schedule(SCHED.NORMAL),
    schedule(SCHED.IDLE)
  ],
  "what is reset for children": [
    ...become(nobody),
    schedule(SCHED.NORMAL, { flags: BigInt(SCHED_FLAG.RESET_ON_FORK) }),
    schedule(SCHED.NORMAL),
    fork(0, [schedule(SCHED.NORMAL)])
  ],
  "real time is reset for children": [
    schedule(SCHED.FIFO, { priority: 5, flags: BigInt(SCHED_FLAG.RESET_ON_FORK) }),
    fork(0, [...become(nobody), schedule(SCHED.FIFO, { priority: 1 })]),
    schedule(SCHED.FIFO, { priority: 5 }),
    fork(0, [...become(nobody), schedule(SCHED.FIFO, { priority: 1 })])
  ],
  "unknown flags": [
    schedule(SCHED.NORMAL, { flags: 0x80n }),
    schedule(SCHED.NORMAL, { flags: 1n << 63n }),
    schedule(SCHED.NORMAL, { flags: 1n })
  ],
  "policy and parameters can be kept": [
    schedule(SCHED.FIFO, { priority: 7 }),
    ...become(nobody),
    schedule(SCHED.NORMAL, { priority: 6, flags: BigInt(SCHED_FLAG.KEEP_POLICY) }),
    schedule(SCHED.NORMAL, { priority: 0, flags: BigInt(SCHED_FLAG.KEEP_POLICY) }),
    schedule(SCHED.FIFO, { priority: 99, flags: BigInt(SCHED_FLAG.KEEP_PARAMS) }),
    schedule(SCHED.FIFO, { priority: 7 })
  ],
  "a deadline has a runtime within a deadline within a period": [
    schedule(SCHED.DEADLINE),
    schedule(SCHED.DEADLINE, { ...tenth, runtime: 1023n }),
    schedule(SCHED.DEADLINE, { ...tenth, runtime: 20_000_000n }),
    schedule(SCHED.DEADLINE, { ...tenth, deadline: 20_000_000n }),
    schedule(SCHED.DEADLINE, { ...tenth, deadline: 0n }),
    schedule(SCHED.DEADLINE, { ...tenth, deadline: 1n << 63n }),
    schedule(SCHED.DEADLINE, { ...tenth, priority: 1 }),
    schedule(SCHED.DEADLINE, { runtime: 2000n, deadline: 99_999n, period: 0n }),
    schedule(SCHED.DEADLINE, { runtime: 2000n, deadline: 10_000_000n, period: 5_000_000_000n }),
    schedule(SCHED.DEADLINE, tenth),
    schedule(SCHED.NORMAL)
  ],
  "a deadline without a period": [schedule(SCHED.DEADLINE, { ...tenth, period: 0n })],
  "a deadline takes CAP_SYS_NICE": [...become(nobody), schedule(SCHED.DEADLINE, tenth)],
  "who has a deadline has no children, unless they are reset": [
    schedule(SCHED.DEADLINE, tenth),
    fork(0, []),
    schedule(SCHED.DEADLINE, { ...tenth, flags: BigInt(SCHED_FLAG.RESET_ON_FORK) }),
    fork(0, [])
  ],
  "a deadline is for all processors": [
    line("sched_setaffinity", { pid: 0, cpus: [0] }),
    schedule(SCHED.DEADLINE, tenth),
    line("sched_setaffinity", { pid: 0, cpus: [0, 1] }),
    schedule(SCHED.DEADLINE, tenth),
    line("sched_setaffinity", { pid: 0, cpus: [0] }),
    line("sched_setaffinity", { pid: 0, cpus: [0, 1] })
  ],
  "sched_setattr of others": [
    ...sleeper("other", become(nobody)),
    schedule(SCHED.BATCH, {}, "$other"),
    fork(0, [...become(nobody), schedule(SCHED.BATCH, {}, "$other")]),
    fork(0, [...become(nobody + 1), schedule(SCHED.BATCH, {}, "$other"), schedule(99, {}, "$other")]),
    schedule(SCHED.BATCH, {}, 99999999),
    schedule(99, {}, 99999999),
    schedule(SCHED.BATCH, {}, -1)
  ]
}

const affinity = (cpus: ReadonlyArray<number>, pid: string | number = 0): Line =>
  line("sched_setaffinity", { pid, cpus })
const where = (pid: string | number = 0): Line => line("sched_getaffinity", { pid }, see)
const priority = (kind: number, level: number, which = 1, who: string | number = 0): Line =>
  line("ioprio_set", { which, who, ioprio: kind << 13 | level })
const policy = (mode: number, nodes: ReadonlyArray<number>): Line => line("set_mempolicy", { mode, nodes })

const rest: Readonly<Record<string, Scenario>> = {
  "processors that are there": [
    affinity([0]),
    where(),
    affinity([0, 100]),
    where(),
    affinity([100]),
    affinity([]),
    affinity([0, 1]),
    where()
  ],
  "children inherit processors": [affinity([0]), fork(0, [where(), affinity([1])]), where()],
  "processors of others": [
    ...sleeper("other", become(nobody)),
    affinity([0], "$other"),
    where("$other"),
    fork(0, [...become(nobody), affinity([1], "$other"), where("$other")]),
    fork(0, [...become(nobody + 1), affinity([0], "$other"), affinity([], "$other"), where("$other")]),
    affinity([0], 99999999),
    affinity([], 99999999),
    where(99999999),
    where(-1),
    affinity([0], -1)
  ],
  "io priorities have classes and levels": [
    priority(0, 0),
    priority(0, 1),
    priority(1, 0),
    priority(1, 7),
    priority(2, 0),
    priority(2, 7),
    priority(3, 0),
    priority(3, 5),
    priority(4, 0),
    priority(7, 0)
  ],
  "real time io takes CAP_SYS_ADMIN or CAP_SYS_NICE": [
    prctl(PR.SET_KEEPCAPS, 1),
    uids(nobody),
    line("capset", { effective: 1n << 23n, permitted: 1n << 23n | 1n << 21n, inheritable: 0n }),
    priority(1, 0),
    line("capset", { effective: 1n << 21n, permitted: 1n << 21n, inheritable: 0n }),
    priority(1, 0),
    line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
    priority(1, 0),
    priority(2, 0),
    priority(3, 0)
  ],
  "io priorities of others": [
    ...sleeper("other", become(nobody)),
    priority(2, 4, 1, "$other"),
    fork(0, [...become(nobody), priority(2, 4, 1, "$other")]),
    fork(0, [...become(nobody + 1), priority(2, 4, 1, "$other"), priority(0, 4, 1, "$other")]),
    priority(2, 4, 1, 99999999),
    priority(2, 4, 9, 0)
  ],
  "io priorities of process groups": [
    fork(0, [line("setsid", {}), priority(2, 4, 2), line("getpid", {}, as("me")), priority(2, 4, 2, "$me")]),
    priority(2, 4, 2, 99999999)
  ],
  "personality tells the one before": [
    line("personality", { persona: 0xffffffff }, see),
    line("personality", { persona: 8 }, see),
    line("personality", { persona: 0xffffffff }, see),
    fork(0, [line("personality", { persona: 0 }, see)]),
    line("personality", { persona: 0x0040000 }, see),
    line("personality", { persona: -1 }, see)
  ],
  "memory policies": [0, 1, 2, 3, 4, 5, 6, 7, -1].flatMap((mode) => [
    policy(mode, []),
    policy(mode, [0]),
    policy(mode, [1]),
    policy(mode, [0, 1])
  ]),
  "memory policies with flags": [1, 2, 3, 4, 5].flatMap((mode) =>
    [MPOL_F.STATIC_NODES, MPOL_F.RELATIVE_NODES, MPOL_F.NUMA_BALANCING, 0xc000].flatMap((flag) => [
      policy(mode | flag, []),
      policy(mode | flag, [0]),
      policy(mode | flag, [1])
    ])
  ),
  "oom_score_adj is within 1000": [
    ...write("/proc/self/oom_score_adj", "1001"),
    ...write("/proc/self/oom_score_adj", "-1001"),
    ...write("/proc/self/oom_score_adj", "x"),
    ...write("/proc/self/oom_score_adj", "1000\n"),
    ...readFile("/proc/self/oom_score_adj"),
    ...write("/proc/self/oom_score_adj", " 7"),
    ...readFile("/proc/self/oom_score_adj")
  ],
  "oom_score_adj is lowered to where it began without CAP_SYS_RESOURCE": [
    line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
    ...write("/proc/self/oom_score_adj", "500"),
    ...write("/proc/self/oom_score_adj", "0"),
    ...write("/proc/self/oom_score_adj", "-1"),
    fork(0, [...write("/proc/self/oom_score_adj", "10"), ...readFile("/proc/self/oom_score_adj")]),
    ...readFile("/proc/self/oom_score_adj")
  ],
  "umask has nine bits": [
    line("umask", { mask: 0o7777 }, see),
    line("umask", { mask: 0o22 }, see),
    line("umask", { mask: -1 }, see),
    line("openat", { dirfd: cwd, path: "f", flags: O.CREAT | O.WRONLY, mode: 0o6777 }),
    line("statx", { dirfd: cwd, path: "f", flags: 0, mask: 0x7ff }, { see: "mode" }),
    line("umask", { mask: 0 }, see)
  ],
  "time that passes is not negative": [
    line("nanosleep", { nanoseconds: -1n }),
    line("nanosleep", { nanoseconds: 0n }),
    line("nanosleep", { nanoseconds: 1000n })
  ],
  "an exit status has eight bits": [
    start("child", 0, [exit(0x1ff)]),
    join("child"),
    waitFor("$child")
  ],
  "limits of another as its file tells": [
    ...sleeper("other", [limit(RLIMIT.CORE, 3n, 9n)]),
    ...lookAt("/proc/$other/limits", /core file size/)
  ]
}

export const limits: Readonly<Record<string, Scenario>> = {
  ...resources,
  ...files,
  ...processes,
  ...scheduling,
  ...rest
}
