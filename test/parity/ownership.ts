/** What user namespaces within each other own, and what is counted for whom: processes, namespaces. */
import { CLONE, O, PR, RLIMIT, SIG } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parityLines.ts"
import {
  become,
  fork,
  gate,
  line,
  open,
  openGate,
  pass,
  prctl,
  readFile,
  start,
  stat,
  write
} from "../support/vocabulary.ts"

/** Maps root, and nobody else, in a new user namespace. */
const mapped: Scenario = [
  ...write("/proc/self/setgroups", "deny"),
  ...write("/proc/self/uid_map", "0 0 1"),
  ...write("/proc/self/gid_map", "0 0 1")
]
const marks: Scenario = [prctl(PR.GET_DUMPABLE), prctl(PR.GET_PDEATHSIG)]
const mark: Scenario = [prctl(PR.SET_DUMPABLE, 1), prctl(PR.SET_PDEATHSIG, SIG.KILL)]
const enter = (pid: string): Scenario => [
  open(`/proc/${pid}/ns/user`, O.RDONLY, "user"),
  line("setns", { fd: "$user", nstype: CLONE.NEWUSER })
]
/** A process beside that stays until the end. */
const stays = (name: string, flags: number, lines: Scenario = []): Scenario => [
  gate(`${name}ready`),
  gate(`${name}end`),
  start(name, flags, [...lines, openGate(`${name}ready`), pass(`${name}end`)]),
  pass(`${name}ready`)
]
const most = (soft: bigint, hard: bigint): Scenario[number] =>
  line("prlimit64", { pid: 0, resource: RLIMIT.NPROC, limit: { soft, hard } })
const forks = (count: number, flags = 0): Scenario => Array.from({ length: count }, () => fork(flags, []))
const limit = (type: string, value: string): Scenario => write(`/proc/sys/user/max_${type}_namespaces`, value)
const unshare = (flags: number): Scenario[number] => line("unshare", { flags })
export const ownership: Readonly<Record<string, Scenario>> = {
  "what is in a user namespace of one's own is one's own, however deep": [
    ...stays("child", CLONE.NEWUSER),
    ...stays("deep", CLONE.NEWUSER, [...mapped, unshare(CLONE.NEWUSER), ...mapped, unshare(CLONE.NEWUSER)]),
    fork(0, [...mark, ...enter("$child"), ...marks]),
    fork(0, [...mark, ...enter("$deep"), ...marks])
  ],
  "a user namespace that another user made is not one's own": [
    ...stays("other", 0, [
      line("setresuid", { ruid: 1000, euid: 1000, suid: 1000 }),
      prctl(PR.SET_DUMPABLE, 1),
      unshare(CLONE.NEWUSER),
      ...write("/proc/self/uid_map", "0 1000 1"),
      unshare(CLONE.NEWUSER)
    ]),
    fork(0, [...mark, ...enter("$other"), ...marks])
  ],
  "processes in a user namespace count for whoever made it": [
    fork(0, [
      ...become(41001),
      prctl(PR.SET_DUMPABLE, 1),
      ...stays("child", CLONE.NEWUSER),
      most(2n, 100n),
      ...forks(1),
      ...forks(1, CLONE.NEWUSER),
      most(3n, 100n),
      ...forks(1)
    ])
  ],
  "processes in user namespaces within each other count in each": [
    fork(0, [
      ...become(41002),
      prctl(PR.SET_DUMPABLE, 1),
      ...stays("deep", CLONE.NEWUSER, [unshare(CLONE.NEWUSER), fork(0, [])]),
      most(2n, 100n),
      ...forks(1),
      most(3n, 100n),
      ...forks(1)
    ])
  ],
  "a user namespace keeps the limit of its maker, whatever is set within": [
    fork(0, [
      ...become(41003),
      most(2n, 100n),
      unshare(CLONE.NEWUSER),
      most(100n, 100n),
      ...forks(1),
      ...stays("child", 0),
      ...forks(1),
      most(1n, 100n),
      ...forks(1)
    ])
  ],
  "root of the machine makes user namespaces without a limit, others with theirs": [
    fork(0, [
      most(1n, 100n),
      unshare(CLONE.NEWUSER),
      ...forks(1)
    ]),
    fork(0, [
      most(1n, 100n),
      unshare(CLONE.NEWUSER),
      ...mapped,
      unshare(CLONE.NEWUSER),
      most(100n, 100n),
      ...forks(2)
    ])
  ],
  "a new user with too many processes is told by the next fork, not before": [
    fork(0, [
      ...stays("other", 0, become(41004)),
      most(1n, 100n),
      ...become(41004),
      ...forks(1)
    ]),
    // before a namespace is refused for other reasons
    fork(0, [...become(41004), most(0n, 100n), ...forks(1, CLONE.NEWUTS), ...forks(1, CLONE.NEWUSER | CLONE.NEWUTS)])
  ],
  "namespaces are counted for their maker, in its user namespace": [
    fork(CLONE.NEWUSER, [
      ...mapped,
      ...readFile("/proc/sys/user/max_uts_namespaces"),
      ...limit("uts", "0"),
      unshare(CLONE.NEWUTS),
      ...forks(1, CLONE.NEWUTS),
      ...forks(1, CLONE.NEWUSER | CLONE.NEWUTS),
      ...limit("uts", "1"),
      unshare(CLONE.NEWUTS),
      unshare(CLONE.NEWUTS),
      ...readFile("/proc/sys/user/max_uts_namespaces"),
      ...limit("uts", "2"),
      fork(CLONE.NEWUSER, [
        ...readFile("/proc/sys/user/max_uts_namespaces"),
        unshare(CLONE.NEWUTS),
        unshare(CLONE.NEWUTS)
      ])
    ])
  ],
  "every type of namespace has a limit": [
    fork(CLONE.NEWUSER, [
      ...mapped,
      ...(["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] as const).flatMap((type) => limit(type, "0")),
      ...[
        CLONE.NEWCGROUP,
        CLONE.NEWIPC,
        CLONE.NEWNS,
        CLONE.NEWNET,
        CLONE.NEWPID,
        CLONE.NEWTIME,
        CLONE.NEWUSER,
        CLONE.NEWUTS,
        CLONE.NEWUSER | CLONE.NEWUTS
      ].map(unshare)
    ])
  ],
  "limits of namespaces are set by whoever may, in the own user namespace": [
    stat("/proc/sys/user/max_uts_namespaces", ["mode", "uid"]),
    fork(CLONE.NEWUSER, [
      ...mapped,
      ...limit("uts", "5"),
      ...limit("uts", "-1"),
      ...limit("uts", "2147483648"),
      ...limit("uts", "x"),
      ...readFile("/proc/sys/user/max_uts_namespaces"),
      fork(CLONE.NEWUSER, readFile("/proc/sys/user/max_uts_namespaces")),
      line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }),
      open("/proc/sys/user/max_uts_namespaces", O.WRONLY),
      open("/proc/sys/user/max_uts_namespaces", O.RDONLY)
    ]),
    fork(0, [
      ...become(1000),
      open("/proc/sys/user/max_uts_namespaces", O.WRONLY),
      open("/proc/sys/user/max_uts_namespaces", O.RDONLY),
      line("faccessat2", { dirfd: cwd, path: "/proc/sys/user/max_uts_namespaces", mode: 2, flags: 0 })
    ])
  ],
  "a file of the limits is that of the user namespace in which it was looked up": [
    open("/proc/sys/user/max_ipc_namespaces", O.RDONLY, "outside"),
    fork(CLONE.NEWUSER, [
      ...limit("ipc", "7"),
      open("/proc/sys/user/max_ipc_namespaces", O.RDONLY, "inside"),
      line("read", { fd: "$inside", count: 100 }, { see: true })
    ])
  ]
}
