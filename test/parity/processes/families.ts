/** Orphans, subreapers and sessions. */
import { CLONE, P, PR, W } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { exit, fork, gate, line, openGate, pass, prctl, see, start, waitFor } from "../../support/vocabulary.ts"
import { ended, numbered, wait } from "./lines.ts"

export const families: Readonly<Record<string, Scenario>> = {
  "orphans go to the init of the pid namespace": [
    fork(CLONE.NEWPID, [
      gate("orphaned"),
      gate("told"),
      fork(0, [start("grandchild", 0, [pass("orphaned"), line("getppid", {}, see), exit(9)]), exit(0)]),
      openGate("orphaned"),
      wait(P.ALL, 0, W.EXITED),
      wait(P.ALL, 0, W.EXITED)
    ])
  ],
  "orphans go to the nearest subreaper": numbered([
    gate("orphaned"),
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    fork(0, [start("grandchild", 0, [pass("orphaned"), exit(9)]), exit(0)]),
    openGate("orphaned"),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "a process that is no subreaper any more gets no orphans": numbered([
    gate("orphaned"),
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    prctl(PR.GET_CHILD_SUBREAPER),
    prctl(PR.SET_CHILD_SUBREAPER, 0),
    prctl(PR.GET_CHILD_SUBREAPER),
    fork(0, [start("grandchild", 0, [pass("orphaned"), exit(9)]), exit(0)]),
    openGate("orphaned"),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "being a subreaper is not inherited": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    fork(0, [prctl(PR.GET_CHILD_SUBREAPER)]),
    prctl(PR.GET_CHILD_SUBREAPER)
  ]),
  "a subreaper outside of the pid namespace gets no orphans of it": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    fork(CLONE.NEWPID, [
      gate("orphaned"),
      fork(0, [start("grandchild", 0, [pass("orphaned"), line("getppid", {}, see), exit(9)]), exit(0)]),
      openGate("orphaned"),
      wait(P.ALL, 0, W.EXITED)
    ]),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "zombies of a dead parent go to the reaper as well": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    fork(0, [start("grandchild", 0, [exit(9)]), ended("grandchild"), exit(0)]),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "getppid follows the reaper": numbered([
    gate("orphaned"),
    gate("ready"),
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    start("child", 0, [
      start("grandchild", 0, [
        line("getppid", {}, see),
        openGate("ready"),
        pass("orphaned"),
        line("getppid", {}, see),
        exit(0)
      ]),
      pass("ready"),
      exit(0)
    ]),
    waitFor("$child"),
    openGate("orphaned"),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "setsid makes a leader, once": numbered([
    line("setsid", {}, see),
    line("setsid", {}, see),
    fork(0, [line("setsid", {}, see), line("setsid", {}, see)])
  ]),
  "getsid tells the session of anybody, and outlives its leader": numbered([
    line("getsid", { pid: 0 }, see),
    line("getsid", { pid: 1 }, see),
    line("getsid", { pid: 77 }, see),
    line("getsid", { pid: -1 }, see),
    gate("cloned"),
    gate("never"),
    start("child", 0, [
      line("setsid", {}, see),
      line("reclone", { flags: CLONE.PARENT }),
      line("getsid", { pid: 0 }, see),
      openGate("cloned"),
      pass("never")
    ]),
    pass("cloned"),
    line("getsid", { pid: "$child" }, see)
  ])
}
