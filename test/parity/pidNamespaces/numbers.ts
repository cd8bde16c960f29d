/** The numbers that a process has, and who sees which. */
import { CLONE, O, P, SIG, W } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import {
  as,
  exit,
  fork,
  gate,
  kill,
  line,
  lookAt,
  mount,
  open,
  openGate,
  pass,
  see,
  start
} from "../../support/vocabulary.ts"
import { inside, pid, ppid, proc, readlink, wait } from "./lines.ts"

export const numbers: Readonly<Record<string, Scenario>> = {
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
