/** Files of a process, and what is in them. */
import { CLONE, O, PR, RLIMIT, SIG } from "../../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../../support/parityLines.ts"
import {
  as,
  fork,
  gate,
  gids,
  join,
  kill,
  line,
  lookAt,
  mkdir,
  mount,
  open,
  openGate,
  pass,
  prctl,
  readFile,
  see,
  start,
  uids,
  waitFor,
  write
} from "../../support/vocabulary.ts"
import { beside, list, mayOpen, readlink, setNs, stat } from "./lines.ts"

/** As process 2 of a pid namespace with a /proc of its own, so that numbers are the same on both sides. */
const numbered = (lines: Scenario): Scenario => [
  fork(CLONE.NEWPID, [mkdir("proc"), mount("proc", "proc", "proc", 0), fork(0, lines)])
]

const ids = /^(?:Uid|Gid|Groups|Umask|NoNewPrivs|Seccomp):/
const access = (path: string, mode: number): Line => line("faccessat2", { dirfd: cwd, path, mode, flags: 0 })

export const own: Readonly<Record<string, Scenario>> = {
  "a process sees itself by number": numbered([
    readlink("proc/self"),
    readlink("proc/thread-self"),
    ...lookAt("proc/self/status", /^(?:Tgid|Ngid|Pid|PPid|TracerPid|NSpid|NStgid|NSpgid|NSsid|Threads):/),
    ...lookAt("proc/2/status", /^(?:Pid|PPid):/),
    ...lookAt("proc/1/status", /^(?:Pid|PPid):/),
    mayOpen("proc/3"),
    mayOpen("proc/0"),
    mayOpen("proc/02"),
    mayOpen("proc/-1")
  ]),
  "the processes of a namespace": numbered([
    open("proc", O.RDONLY | O.DIRECTORY, "dir"),
    line("getdents64", { fd: "$dir" }),
    stat("proc", "mode", "uid"),
    stat("proc/1", "mode", "uid"),
    stat("proc/2/task", "mode"),
    ...list("proc/2/task")
  ]),
  "a process of another namespace has no self": [
    fork(CLONE.NEWPID, [
      line("readlinkat", { dirfd: cwd, path: "/proc/self" }),
      mayOpen("/proc/self/status"),
      open("/proc/thread-self", O.RDONLY, "self"),
      line("close", { fd: "$self" }),
      mayOpen("/proc/mounts"),
      mayOpen("/proc/1/status")
    ])
  ],
  "the state of a process": [
    ...beside(0, [], [
      line("nanosleep", { nanoseconds: 30_000_000n }),
      ...lookAt("/proc/$other/status", /^State:/),
      ...lookAt("/proc/self/status", /^State:/)
    ]),
    start("gone", 0, []),
    join("gone"),
    waitFor("$gone", 0x1000004),
    ...lookAt("/proc/$gone/status", /^State:/),
    readlink("/proc/$gone/cwd"),
    readlink("/proc/$gone/exe"),
    ...readFile("/proc/$gone/environ"),
    ...readFile("/proc/$gone/cmdline"),
    ...readFile("/proc/$gone/oom_score_adj"),
    ...list("/proc/$gone/fd"),
    ...readFile("/proc/$gone/mountinfo"),
    waitFor("$gone"),
    mayOpen("/proc/$gone/status")
  ],
  "an open file of a process that is gone": [
    gate("go"),
    start("gone", 0, [pass("go")]),
    open("/proc/$gone/status", O.RDONLY, "status"),
    open("/proc/$gone", O.RDONLY, "dir"),
    openGate("go"),
    join("gone"),
    waitFor("$gone"),
    line("read", { fd: "$status", count: 100 }),
    line("openat", { dirfd: "$dir", path: "status", flags: O.RDONLY, mode: 0 }),
    line("getdents64", { fd: "$dir" })
  ],
  "ids and modes in a status": [
    ...lookAt("/proc/self/status", ids),
    fork(0, [
      line("setgroups", { groups: [7, 5] }),
      gids(1000),
      uids(1001),
      line("umask", { mask: 0o27 }),
      prctl(PR.SET_NO_NEW_PRIVS, 1),
      ...lookAt("/proc/self/status", ids)
    ]),
    fork(CLONE.NEWUSER, lookAt("/proc/self/status", ids))
  ],
  "capabilities in a status": [
    fork(0, [
      prctl(PR.CAPBSET_DROP, 5),
      line("capset", { effective: 1n, permitted: 3n, inheritable: 2n }),
      ...lookAt("/proc/self/status", /^Cap/)
    ]),
    fork(CLONE.NEWUSER, lookAt("/proc/self/status", /^Cap/))
  ],
  "files of a process belong to it": [
    fork(0, [
      gids(1000),
      uids(1000),
      prctl(PR.SET_DUMPABLE, 1),
      ...["status", "fd", "environ", "ns", "cwd", "task", "attr", "uid_map", "oom_score_adj", "setgroups"].map((name) =>
        stat(`/proc/self/${name}`.replace("/cwd", ""), "mode", "uid", "gid")
      )
    ]),
    fork(0, [
      gids(1000),
      uids(1000),
      stat("/proc/self/status", "mode", "uid", "gid"),
      stat("/proc/self", "mode", "uid", "gid"),
      stat("/proc/self/fd", "uid")
    ])
  ],
  "modes of files": [
    "status",
    "stat",
    "cmdline",
    "comm",
    "environ",
    "mountinfo",
    "mounts",
    "cgroup",
    "limits",
    "uid_map",
    "gid_map",
    "setgroups",
    "oom_score_adj",
    "timens_offsets",
    "fd",
    "fdinfo",
    "ns",
    "attr",
    "task"
  ].map((name) => stat(`/proc/self/${name}`, "mode")),
  "sizes of files are 0": ["status", "mountinfo", "ns", "fdinfo"].map((name) => stat(`/proc/self/${name}`, "size")),
  "files that are not there": ["nothing", "status/x", "fd/x", "ns/nothing", "attr/nothing", "task/1", "fdinfo/400"].map(
    (name) => mayOpen(`/proc/self/${name}`)
  ),
  "a process's own files": [
    mayOpen("/proc/self/environ"),
    mayOpen("/proc/self/status", O.WRONLY),
    mayOpen("/proc/self/mountinfo", O.RDWR),
    mayOpen("/proc/self/cgroup", O.WRONLY),
    mayOpen("/proc/self/comm", O.RDWR),
    mayOpen("/proc/self/uid_map", O.RDWR),
    line("faccessat2", { dirfd: cwd, path: "/proc/self/status", mode: 2, flags: 0 })
  ],
  "a name of a process": [
    ...write("/proc/self/comm", "a name\n"),
    ...readFile("/proc/self/comm"),
    ...write("/proc/self/comm", "a-name-that-is-too-long"),
    ...readFile("/proc/self/comm"),
    ...lookAt("/proc/self/status", /^Name:/),
    ...write("/proc/self/comm", "x\\y\tz"),
    ...lookAt("/proc/self/status", /^Name:/),
    ...beside(0, [], [...write("/proc/$other/comm", "other")])
  ],
  "limits in a file": [
    ...([["CORE", 1n, 2n], ["STACK", 4096n, 8192n], ["FSIZE", 2n ** 64n - 1n, 2n ** 64n - 1n], [
      "NPROC",
      1000n,
      2000n
    ]] as const).map((
      [name, soft, hard]
    ) => line("prlimit64", { pid: 0, resource: RLIMIT[name], limit: { soft, hard } })),
    line("prlimit64", { pid: 0, resource: RLIMIT.NOFILE, limit: { soft: 900n, hard: 1000n } }),
    ...lookAt("/proc/self/limits", /^(?:Limit|Max (?:open files|core|processes|stack|file size))/)
  ],
  "maps in files": [
    fork(CLONE.NEWUSER, [
      ...readFile("/proc/self/uid_map"),
      ...readFile("/proc/self/gid_map"),
      ...readFile("/proc/self/setgroups")
    ]),
    ...readFile("/proc/self/uid_map"),
    ...readFile("/proc/self/setgroups"),
    ...beside(CLONE.NEWUSER, [], [
      ...write("/proc/$other/uid_map", "0 1000 1\n5 2000 10"),
      ...readFile("/proc/$other/uid_map"),
      ...write("/proc/$other/gid_map", "0 0 1"),
      ...readFile("/proc/$other/setgroups")
    ])
  ],
  "a cgroup in a file": [
    ...lookAt("/proc/self/cgroup", /:(?:freezer|memory|cpu):/),
    fork(CLONE.NEWCGROUP, lookAt("/proc/self/cgroup", /:(?:freezer|memory|cpu):/))
  ],
  "offsets of clocks": [
    ...readFile("/proc/self/timens_offsets"),
    fork(0, [
      line("unshare", { flags: CLONE.NEWTIME }),
      ...write("/proc/self/timens_offsets", "monotonic 5 0\n"),
      ...readFile("/proc/self/timens_offsets"),
      ...write("/proc/self/timens_offsets", "boottime -1 0\nmonotonic 10 500"),
      ...readFile("/proc/self/timens_offsets"),
      ...write("/proc/self/timens_offsets", "nothing 1 1"),
      ...write("/proc/self/timens_offsets", "monotonic 1"),
      ...write("/proc/self/timens_offsets", "monotonic 1 1000000000"),
      ...write("/proc/self/timens_offsets", "monotonic -999999999 0"),
      ...write("/proc/self/timens_offsets", "7 3 0"),
      ...readFile("/proc/self/timens_offsets"),
      fork(0, []),
      ...write("/proc/self/timens_offsets", "monotonic 6 0")
    ])
  ],
  "offsets of clocks of the own namespace": [...write("/proc/self/timens_offsets", "monotonic 6 0")],
  "time of children is joined": [
    fork(0, [
      line("unshare", { flags: CLONE.NEWTIME }),
      open("/proc/self/ns/time", O.RDONLY, "own"),
      open("/proc/self/ns/time_for_children", O.RDONLY, "children"),
      setNs("$children", CLONE.NEWTIME),
      setNs("$own", CLONE.NEWTIME)
    ])
  ],
  "signals in a status": [
    fork(0, [
      line("rt_sigaction", { signal: SIG.HUP, disposition: "SIG_IGN" }),
      line("rt_sigprocmask", { how: 0, signals: [SIG.TERM] }),
      line("getpid", {}, as("me")),
      kill("$me", SIG.TERM),
      ...lookAt("/proc/self/status", /^(?:SigPnd|ShdPnd|SigBlk|SigCgt):/)
    ])
  ],
  "read in parts": [
    open("/proc/self/status", O.RDONLY, "s"),
    line("read", { fd: "$s", count: 5 }, see),
    open("/proc/self/setgroups", O.RDONLY, "g"),
    line("read", { fd: "$g", count: 2 }, see),
    line("read", { fd: "$g", count: 20 }, see),
    line("read", { fd: "$g", count: 20 }, see)
  ],
  "a new instance of proc": [
    mkdir("p"),
    mount("proc", "p", "proc", 0),
    mayOpen("p/self/status"),
    mount("proc", "p", "proc", 0, "hidepid=2"),
    mount("proc", "p", "proc", 0, "nothing")
  ],
  "files of a process are there, whether their content is modelled or not":
    ("auxv clear_refs coredump_filter io maps map_files mem mountstats net oom_adj oom_score pagemap personality " +
      "projid_map sched smaps stack statm syscall timers wchan nosuch").split(" ").flatMap((name) => [
        line("statx", { dirfd: cwd, path: `/proc/self/${name}`, flags: 0, mask: 0x7ff }, { see: ["mode", "uid"] }),
        open(`/proc/self/${name}`, O.PATH)
      ]),
  "what a mount of proc is told to hide is hidden": [
    line("mkdirat", { dirfd: cwd, path: "p", mode: 0o755 }),
    gate("ready"),
    gate("end"),
    start("other", 0, [openGate("ready"), pass("end")]),
    pass("ready"),
    ...["hidepid=0", "hidepid=1", "hidepid=2", "hidepid=2,gid=1000", "subset=pid", "hidepid=invisible"]
      .flatMap(
        (data): Scenario => [
          line("mount", { source: "proc", target: "p", type: "proc", flags: 0, data }),
          ...["self", "sys", "uptime", "$other"].map((path) =>
            line("statx", { dirfd: cwd, path: `p/${path}`, flags: 0, mask: 0x7ff }, { see: "mode" })
          ),
          access("p/$other/status", 4),
          fork(0, [
            line("setgroups", { groups: [] }),
            line("setresgid", { rgid: 1000, egid: 1000, sgid: 1000 }),
            line("setresuid", { ruid: 1000, euid: 1000, suid: 1000 }),
            ...["self", "$other"].flatMap((path) => [
              line("statx", { dirfd: cwd, path: `p/${path}`, flags: 0, mask: 0x7ff }, { see: "mode" }),
              access(`p/${path}`, 4),
              access(`p/${path}/status`, 4),
              access(`p/${path}`, 0)
            ])
          ]),
          line("umount2", { target: "p", flags: 2 })
        ]
      )
  ]
}
