/** Parent-death signals. */
import { CLONE, P, PR, SIG, W } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { exit, fork, gate, line, openGate, pass, prctl, start, waitFor } from "../../support/vocabulary.ts"
import { numbered, wait } from "./lines.ts"

/** A grandchild with a parent-death signal after some lines; its reaper is the process that calls. */
const orphanedAfter = (signal: number, lines: Scenario): Scenario => [
  prctl(PR.SET_CHILD_SUBREAPER, 1),
  gate("ready"),
  gate("last"),
  start("child", 0, [
    start("grandchild", 0, [
      prctl(PR.SET_PDEATHSIG, signal),
      ...lines,
      prctl(PR.GET_PDEATHSIG),
      openGate("ready"),
      pass("last"),
      exit(5)
    ]),
    pass("ready"),
    exit(0)
  ]),
  waitFor("$child"),
  // signalled by now, or never
  openGate("last"),
  wait(P.ALL, 0, W.EXITED)
]

export const parentDeath: Readonly<Record<string, Scenario>> = {
  "a parent-death signal ends the child": numbered(orphanedAfter(SIG.KILL, [])),
  "a parent-death signal of zero is none": numbered(orphanedAfter(0, [])),
  "a parent-death signal can be ignored": numbered(
    orphanedAfter(SIG.USR1, [line("rt_sigaction", { signal: SIG.USR1, disposition: "SIG_IGN" })])
  ),
  "a change of the effective uid forgets the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("setresuid", { ruid: -1, euid: 1000, suid: -1 })])
  ),
  "a change of the effective gid forgets the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("setresgid", { rgid: -1, egid: 1000, sgid: -1 })])
  ),
  "a change of the real or saved uid keeps the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("setresuid", { ruid: 1000, euid: -1, suid: 1000 })])
  ),
  "dropping capabilities keeps the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("capset", { effective: 0n, permitted: 0n, inheritable: 0n })])
  ),
  "a new user namespace and the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("unshare", { flags: CLONE.NEWUSER })])
  ),
  "setgroups keeps the parent-death signal": numbered(
    orphanedAfter(SIG.KILL, [line("setgroups", { groups: [5] })])
  ),
  "the child's child has no parent-death signal": numbered([
    prctl(PR.SET_PDEATHSIG, SIG.KILL),
    fork(0, [prctl(PR.GET_PDEATHSIG)]),
    prctl(PR.GET_PDEATHSIG)
  ]),
  "a parent-death signal must be a signal": [
    prctl(PR.SET_PDEATHSIG, 64),
    prctl(PR.SET_PDEATHSIG, 65),
    prctl(PR.SET_PDEATHSIG, -1),
    prctl(PR.GET_PDEATHSIG)
  ],
  "the init of a pid namespace dies of a parent outside with SIGKILL": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    gate("ready"),
    gate("last"),
    start("child", 0, [
      start("init", CLONE.NEWPID, [prctl(PR.SET_PDEATHSIG, SIG.KILL), openGate("ready"), pass("last")]),
      pass("ready"),
      exit(0)
    ]),
    waitFor("$child"),
    openGate("last"),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "the init of a pid namespace does not hear of SIGTERM for the death of its parent": numbered([
    prctl(PR.SET_CHILD_SUBREAPER, 1),
    gate("ready"),
    gate("last"),
    start("child", 0, [
      start("init", CLONE.NEWPID, [prctl(PR.SET_PDEATHSIG, SIG.TERM), openGate("ready"), pass("last"), exit(6)]),
      pass("ready"),
      exit(0)
    ]),
    waitFor("$child"),
    openGate("last"),
    wait(P.ALL, 0, W.EXITED)
  ])
}
