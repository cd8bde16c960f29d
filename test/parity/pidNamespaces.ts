/** pid and time namespaces: numbers, parents, init, what joins and who follows. */
import { CLONE, O, P, PR, SIG, W } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parity.ts"
import {
  as,
  exit,
  fork,
  gate,
  join,
  kill,
  line,
  lookAt,
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
} from "../support/vocabulary.ts"

const pid = line("getpid", {}, see)
const ppid = line("getppid", {}, see)
const unshare = (flags: number) => line("unshare", { flags })
const setns = (fd: string, nstype = 0) => line("setns", { fd, nstype })
const proc = mount("proc", "/proc", "proc", 0)
const readlink = (path: string) => line("readlinkat", { dirfd: cwd, path })
const wait = (idtype: number, id: number | string, options: number) =>
  line("waitid", { idtype, id, options }, { see: ["pid", "code", "status"] })

/** As process 2 of a pid namespace, with its /proc. */
const inside = (lines: Scenario): Scenario => [fork(CLONE.NEWPID, [fork(0, [proc, ...lines])])]

const numbers: Readonly<Record<string, Scenario>> = {
  "the first process is 1, and its parent 0": [
    fork(CLONE.NEWPID, [pid, ppid, fork(0, [pid, ppid]), fork(0, [pid, ppid])])
  ],
  "numbers go on, and are not used again at once": [
    fork(CLONE.NEWPID, [fork(0, [pid]), fork(0, [pid]), fork(0, [fork(0, [pid])]), fork(0, [pid])])
  ],
  "each namespace counts for itself": inside([
    fork(CLONE.NEWPID, [pid, fork(0, [pid]), fork(CLONE.NEWPID, [pid, ppid])]),
    fork(0, [pid])
  ]),
  "a process has a number in every namespace above": inside([
    gate("ready"),
    gate("never"),
    start("outer", CLONE.NEWPID, [
      start("inner", CLONE.NEWPID, [openGate("ready"), pass("never")]),
      pass("never")
    ]),
    pass("ready"),
    ...lookAt("/proc/$outer/status", /^(NSpid|NStgid|Pid|PPid):/),
    ...lookAt("/proc/4/status", /^(NSpid|NStgid|NSpgid|NSsid|Pid|PPid):/),
    kill(4, 0),
    kill(5, 0)
  ]),
  "a mount of /proc shows the namespace that it was made in": inside([
    gate("ready"),
    gate("never"),
    start("child", CLONE.NEWPID, [
      readlink("/proc/self"),
      open("/proc/2/status", O.RDONLY),
      fork(CLONE.NEWNS, [
        proc,
        line("readlinkat", { dirfd: cwd, path: "/proc/self" }, see),
        open("/proc/2/status", O.RDONLY),
        open("/proc/3/status", O.RDONLY),
        ...lookAt("/proc/self/status", /^(NSpid|Pid|PPid):/)
      ]),
      openGate("ready"),
      pass("never")
    ]),
    pass("ready"),
    line("readlinkat", { dirfd: cwd, path: "/proc/self" }, see)
  ]),
  "a foreign /proc has no self": inside([
    fork(CLONE.NEWPID | CLONE.NEWNS, [
      mount("proc", "/mnt", "proc", 0),
      open("/mnt/self/status", O.RDONLY),
      open("/proc/self/status", O.RDONLY),
      start("child", 0, []),
      fork(0, [open("/mnt/self/status", O.RDONLY)])
    ]),
    fork(CLONE.NEWNS, [
      gate("mounted"),
      gate("never"),
      mount(null, "/mnt", null, 1 << 20),
      start("child", CLONE.NEWPID, [mount("proc", "/mnt", "proc", 0), openGate("mounted"), pass("never")]),
      pass("mounted"),
      readlink("/mnt/self"),
      open("/mnt/self/status", O.RDONLY),
      open("/mnt/thread-self", O.RDONLY),
      ...lookAt("/mnt/1/status", /^(NSpid|Pid|PPid):/),
      open("/mnt/2/status", O.RDONLY)
    ])
  ]),
  "waitid gives the number in the caller's namespace": inside([
    start("child", CLONE.NEWPID, [exit(3)]),
    wait(P.ALL, 0, W.EXITED),
    start("other", CLONE.NEWPID, [exit(4)]),
    wait(P.PID, "$other", W.EXITED)
  ]),
  "wait4 reaps a child by the number that the caller knows, and does not wait": inside([
    start("child", CLONE.NEWPID, [exit(3)]),
    wait(P.PID, "$child", W.EXITED | W.NOWAIT),
    line("wait4", { pid: "$child" }, { see: ["pid", "code", "status"] }),
    line("wait4", { pid: "$child" }),
    gate("never"),
    start("other", CLONE.NEWPID, [pass("never")]),
    line("wait4", { pid: "$other" }, see),
    kill("$other", SIG.KILL),
    wait(P.PID, "$other", W.EXITED | W.NOWAIT),
    line("wait4", { pid: "$other" }, { see: ["pid", "code", "status"] }),
    line("wait4", { pid: 0 }),
    line("wait4", { pid: -1 }),
    line("wait4", { pid: 1 })
  ]),
  "credentials of a message have the receiver's number": inside([
    line("socketpair", { type: 5 }, as("s")),
    line("setsockopt", { fd: "$s.0", option: 16, value: 1 }),
    fork(CLONE.NEWPID, [line("sendmsg", { fd: "$s.1", data: "x", fds: [], flags: 0 })]),
    line("recvmsg", { fd: "$s.0", size: 1, flags: 0 }, { see: "credentials" })
  ])
}

const inits: Readonly<Record<string, Scenario>> = {
  "an init does not die of its own signals": [
    fork(CLONE.NEWPID, [
      kill(1, SIG.KILL),
      kill(1, SIG.TERM),
      kill(1, SIG.STOP),
      kill(1, SIG.SEGV),
      line("pidfd_open", { pid: 1, flags: 0 }, as("fd")),
      line("pidfd_send_signal", { pidfd: "$fd", signal: SIG.KILL }),
      pid
    ])
  ],
  "an init does not die of its children's signals": [
    fork(CLONE.NEWPID, [fork(0, [kill(1, SIG.KILL), kill(1, SIG.TERM), kill(-1, SIG.KILL), kill(0, 0)]), pid])
  ],
  "an init dies of SIGKILL from outside, and does not hear of others": inside([
    gate("never"),
    start("init", CLONE.NEWPID, [pass("never")]),
    kill("$init", SIG.TERM),
    kill("$init", SIG.INT),
    kill("$init", SIG.SEGV),
    wait(P.PID, "$init", W.EXITED | W.NOHANG),
    kill("$init", SIG.KILL),
    wait(P.PID, "$init", W.EXITED)
  ]),
  "an init is stopped from outside": inside([
    gate("never"),
    start("init", CLONE.NEWPID, [pass("never")]),
    kill("$init", SIG.TSTP),
    wait(P.PID, "$init", W.STOPPED | W.NOHANG),
    kill("$init", SIG.STOP),
    wait(P.PID, "$init", W.STOPPED),
    kill("$init", SIG.CONT),
    wait(P.PID, "$init", W.CONTINUED)
  ]),
  "the end of an init is the end of all": inside([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    gate("never"),
    gate("ready"),
    start("init", CLONE.NEWPID, [
      start("member", 0, [start("deep", CLONE.NEWPID, [openGate("ready"), pass("never")]), pass("never")]),
      pass("ready"),
      exit(7)
    ]),
    wait(P.PID, "$init", W.EXITED),
    kill(4, 0),
    kill(5, 0),
    wait(P.ALL, 0, W.EXITED | W.NOHANG)
  ]),
  "an init that is killed takes all with it": inside([
    gate("never"),
    gate("ready"),
    start("init", CLONE.NEWPID, [start("member", 0, [openGate("ready"), pass("never")]), pass("never")]),
    pass("ready"),
    kill("$init", SIG.KILL),
    wait(P.ALL, 0, W.EXITED),
    kill(4, 0)
  ]),
  "nobody is born where init is dead": inside([
    unshare(CLONE.NEWPID),
    fork(0, [pid, exit(0)]),
    fork(0, [pid]),
    fork(CLONE.NEWPID, [pid]),
    unshare(CLONE.NEWPID),
    line("reclone", { flags: 0 })
  ]),
  "a clone that is refused late uses up its numbers": inside([
    fork(CLONE.PIDFD, []),
    fork(0, [pid]),
    fork(0, [unshare(CLONE.NEWPID), fork(0, []), fork(0, []), fork(0, [])]),
    fork(0, [pid]),
    fork(CLONE.NEWNS | CLONE.FS, []),
    fork(0, [pid])
  ]),
  "orphans go to the init of their parent's namespace": [
    fork(CLONE.NEWPID, [
      gate("orphaned"),
      gate("ready"),
      start("middle", 0, [
        unshare(CLONE.NEWPID),
        start("inner", 0, [openGate("ready"), pass("orphaned"), ppid, pid, exit(9)]),
        pass("ready"),
        exit(0)
      ]),
      wait(P.ALL, 0, W.EXITED),
      openGate("orphaned"),
      wait(P.ALL, 0, W.EXITED)
    ])
  ],
  "a member whose parent is outside is waited for outside": inside([
    gate("never"),
    gate("ready"),
    start("init", CLONE.NEWPID, [openGate("ready"), pass("never")]),
    pass("ready"),
    open("/proc/$init/ns/pid", O.RDONLY, "ns"),
    start("joined", 0, [
      setns("$ns"),
      pid,
      fork(0, [pid, ppid, kill(1, 0), kill(1, SIG.KILL)]),
      start("guest", 0, [pass("never")]),
      kill("$init", SIG.KILL),
      waitFor("$guest"),
      fork(0, [])
    ]),
    join("joined"),
    wait(P.PID, "$init", W.EXITED)
  ])
}

const joins: Readonly<Record<string, Scenario>> = {
  "unshare is for children only, and once": inside([
    pid,
    unshare(CLONE.NEWPID),
    pid,
    unshare(CLONE.NEWPID),
    fork(CLONE.NEWPID, []),
    fork(0, [pid, ppid]),
    pid
  ]),
  "the namespace for children has a file once it has an init": inside([
    readlink("/proc/self/ns/pid_for_children"),
    unshare(CLONE.NEWPID),
    readlink("/proc/self/ns/pid_for_children"),
    open("/proc/self/ns/pid_for_children", O.RDONLY),
    gate("never"),
    start("init", 0, [pass("never")]),
    readlink("/proc/self/ns/pid_for_children"),
    open("/proc/self/ns/pid_for_children", O.RDONLY),
    open("/proc/self/ns/pid", O.RDONLY)
  ]),
  "a namespace below is joined, for children": inside([
    gate("never"),
    gate("ready"),
    start("init", CLONE.NEWPID, [openGate("ready"), pass("never")]),
    pass("ready"),
    open("/proc/$init/ns/pid", O.RDONLY, "ns"),
    open("/proc/self/ns/pid", O.RDONLY, "own"),
    setns("$ns", CLONE.NEWPID),
    pid,
    fork(0, [pid, ppid, fork(0, [pid, ppid])]),
    unshare(CLONE.NEWPID),
    setns("$own"),
    fork(0, [pid, ppid])
  ]),
  "a namespace above or beside can't be joined": inside([
    gate("never"),
    gate("ready"),
    open("/proc/self/ns/pid", O.RDONLY, "own"),
    start("beside", CLONE.NEWPID, [openGate("ready"), pass("never")]),
    pass("ready"),
    open("/proc/$beside/ns/pid", O.RDONLY, "beside"),
    fork(CLONE.NEWPID, [setns("$own"), setns("$beside"), fork(0, [pid])])
  ]),
  "a pid namespace whose init is dead can be joined, but not entered": inside([
    gate("never"),
    start("init", CLONE.NEWPID, [pass("never")]),
    open("/proc/$init/ns/pid", O.RDONLY, "ns"),
    kill("$init", SIG.KILL),
    waitFor("$init"),
    setns("$ns"),
    fork(0, [])
  ]),
  "reclone goes into the namespace that was made": inside([
    start("child", 0, [unshare(CLONE.NEWPID), line("reclone", { flags: 0 }), pid, ppid, fork(0, [pid, ppid]), exit(6)]),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED),
    join("child")
  ]),
  "a session of outside is 0 inside": inside([
    line("setsid", {}, see),
    fork(CLONE.NEWPID, [
      line("getsid", { pid: 0 }, see),
      fork(0, [line("setsid", {}, see), pid, line("getsid", { pid: 0 }, see), line("getsid", { pid: 1 }, see)]),
      fork(CLONE.NEWNS, [proc, ...lookAt("/proc/self/status", /^(NSpgid|NSsid):/)]),
      line("setsid", {}, see),
      kill(0, 0)
    ])
  ]),
  "a group of outside is signalled from inside as one's own": inside([
    line("setsid"),
    fork(CLONE.NEWPID, [line("rt_sigaction", { signal: SIG.USR1, disposition: "SIG_IGN" }), kill(0, SIG.USR1)]),
    pid
  ]),
  "pid namespaces nest 32 deep": [
    Array.from({ length: 33 }, () => 0).reduce<Scenario>((lines) => [fork(CLONE.NEWPID, [pid, ...lines])], [])[0]!
  ],
  "a pid namespace belongs to the user namespace that makes it": inside([
    unshare(CLONE.NEWUSER),
    ...write("/proc/self/uid_map", "0 0 1\n"),
    ...write("/proc/self/setgroups", "deny"),
    ...write("/proc/self/gid_map", "0 0 1\n"),
    fork(CLONE.NEWPID, [pid, fork(CLONE.NEWPID, [pid])]),
    fork(CLONE.NEWPID | CLONE.NEWUSER, [pid])
  ]),
  "a namespace of a user namespace below makes no further one from above": inside([
    gate("never"),
    gate("ready"),
    start("child", CLONE.NEWUSER | CLONE.NEWPID, [openGate("ready"), pass("never")]),
    pass("ready"),
    open("/proc/$child/ns/pid", O.RDONLY, "ns"),
    fork(0, [setns("$ns"), fork(0, [pid, unshare(CLONE.NEWPID), fork(CLONE.NEWPID, []), unshare(CLONE.NEWUTS)])]),
    fork(0, [setns("$ns"), fork(0, [unshare(CLONE.NEWUSER | CLONE.NEWPID)])])
  ]),
  "no capability, no pid namespace": [uids(1000), unshare(CLONE.NEWPID), fork(CLONE.NEWPID, [])],
  "unshare of several at once": inside([
    unshare(CLONE.NEWPID | CLONE.NEWNS | CLONE.NEWUTS | CLONE.NEWIPC),
    fork(0, [pid, proc, line("readlinkat", { dirfd: cwd, path: "/proc/self" }, see)])
  ])
}

const offsets = "/proc/self/timens_offsets"

const times: Readonly<Record<string, Scenario>> = {
  "a time namespace is for children": [
    open("/proc/self/ns/time", O.RDONLY, "own"),
    unshare(CLONE.NEWTIME),
    ...readFile(offsets),
    ...write(offsets, "monotonic 1000 5\n"),
    ...readFile(offsets),
    fork(0, [...readFile(offsets), ...write(offsets, "boottime 1 1\n")]),
    ...write(offsets, "boottime 1 1\n"),
    unshare(CLONE.NEWTIME),
    ...readFile(offsets),
    ...write(offsets, "boottime 1 1\n"),
    setns("$own"),
    ...write(offsets, "boottime 1 1\n")
  ],
  "offsets of the first namespace stay": [...readFile(offsets), ...write(offsets, "monotonic 0 0\n")],
  "lines of offsets": [
    unshare(CLONE.NEWTIME),
    ...[
      "monotonic 1 2",
      "boottime -1 2\n",
      "1 5 0\n",
      "7 6 0\n",
      "monotonic 1 2\nboottime 3 4\n",
      "boottime 5 6\nmonotonic 7 8\n",
      "boottime 5 6\nmonotonic 7 8\nboottime 9 9\n",
      "monotonic 1 2\n\n",
      "monotonic 1\n",
      "monotonic 1 1000000000\n",
      "monotonic 1 999999999\n",
      "monotonic 1 -1\n",
      "realtime 1 1\n",
      "0 1 1\n",
      "monotonic x 1\n",
      "monotonic 1 1 trailing\n",
      "  monotonic   2   3\n",
      "\n",
      "monotonic 9223372036 0\n",
      "monotonic 9223372037 0\n",
      "monotonic -9223372037 0\n",
      "monotonic 4611600000 0\n",
      "monotonic 4611686019 0\n",
      "monotonic -9000000000 0\n",
      "boottime -900000000 0\n"
    ].flatMap((text) => write(offsets, text)),
    ...readFile(offsets)
  ],
  "offsets take CAP_SYS_TIME": [
    unshare(CLONE.NEWTIME),
    fork(0, [line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }), unshare(CLONE.NEWTIME)]),
    line("capset", { effective: 1n << 21n, permitted: 1n << 21n, inheritable: 0n }),
    ...write(offsets, "monotonic 1 1\n"),
    unshare(CLONE.NEWTIME)
  ],
  "offsets take CAP_SYS_TIME in the owner": [
    unshare(CLONE.NEWTIME),
    unshare(CLONE.NEWUSER),
    ...write(offsets, "monotonic 1 1\n"),
    unshare(CLONE.NEWTIME),
    ...write(offsets, "monotonic 1 1\n")
  ],
  "a time namespace is joined at once": [
    gate("never"),
    gate("ready"),
    start("child", 0, [unshare(CLONE.NEWTIME), openGate("ready"), pass("never")]),
    pass("ready"),
    open("/proc/$child/ns/time_for_children", O.RDONLY, "ns"),
    ...write("/proc/$child/timens_offsets", "monotonic 50 0\n"),
    setns("$ns", CLONE.NEWTIME),
    ...readFile(offsets),
    ...write("/proc/$child/timens_offsets", "monotonic 60 0\n")
  ],
  "offsets are written at the beginning of the file": [
    unshare(CLONE.NEWTIME),
    open(offsets, O.RDWR, "file"),
    line("write", { fd: "$file", data: "monotonic 1 1\n" }, see),
    line("write", { fd: "$file", data: "monotonic 2 1\n" }, see),
    line("read", { fd: "$file", count: 100 }, see),
    line("write", { fd: "$file", data: "monotonic 3 1\n" }, see)
  ]
}

export const pidNamespaces: Readonly<Record<string, Scenario>> = { ...numbers, ...inits, ...joins, ...times }
