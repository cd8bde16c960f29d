/** Making and joining pid namespaces. */
import { CLONE, O, P, SIG, W } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import {
  exit,
  fork,
  gate,
  join,
  kill,
  line,
  lookAt,
  open,
  openGate,
  pass,
  see,
  start,
  uids,
  waitFor,
  write
} from "../../support/vocabulary.ts"
import { inside, pid, ppid, proc, readlink, setns, unshare, wait } from "./lines.ts"

export const joins: Readonly<Record<string, Scenario>> = {
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
