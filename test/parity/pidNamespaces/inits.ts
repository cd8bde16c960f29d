/** The first process of a namespace: its signals, its end, its orphans. */
import { CLONE, O, P, PR, SIG, W } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  as,
  exit,
  fork,
  gate,
  join,
  kill,
  line,
  open,
  openGate,
  pass,
  prctl,
  start,
  waitFor
} from "../../support/vocabulary.ts"
import { inside, pid, ppid, setns, unshare, wait } from "./lines.ts"

export const inits: Readonly<Record<string, Scenario>> = {
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
