/** Signals: blocked, ignored, pending, to groups and sessions, and who may send them. */
import { CLONE, P, SIG, W } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  as,
  exit,
  fork,
  gate,
  kill,
  line,
  openGate,
  pass,
  see,
  start,
  uids,
  waitFor
} from "../../support/vocabulary.ts"
import { numbered, sleeper, wait } from "./lines.ts"

export const signals: Readonly<Record<string, Scenario>> = {
  "a blocked signal arrives when it is unblocked": [
    fork(CLONE.NEWPID, [fork(0, [
      line("getpid", {}, as("me")),
      line("rt_sigprocmask", { how: 0, signals: [SIG.TERM] }),
      kill("$me", SIG.TERM),
      kill("$me", SIG.TERM),
      line("rt_sigprocmask", { how: 1, signals: [SIG.TERM] }),
      line("getpid")
    ])])
  ],
  "ignoring a signal drops what is pending": numbered([
    line("getpid", {}, as("me")),
    line("rt_sigprocmask", { how: 0, signals: [SIG.TERM] }),
    kill("$me", SIG.TERM),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_DFL" }),
    line("rt_sigprocmask", { how: 1, signals: [SIG.TERM] }),
    line("getpid", {}, see)
  ]),
  "a blocked signal is kept though it is ignored": numbered([
    line("getpid", {}, as("me")),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
    line("rt_sigprocmask", { how: 0, signals: [SIG.TERM] }),
    kill("$me", SIG.TERM),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_DFL" }),
    line("rt_sigprocmask", { how: 1, signals: [SIG.TERM] }),
    line("getpid")
  ]),
  "signals that are ignored by default end nothing": numbered([
    ...sleeper("child"),
    kill("$child", SIG.CHLD),
    kill("$child", SIG.URG),
    kill("$child", SIG.WINCH),
    kill("$child", SIG.CONT),
    wait(P.ALL, 0, W.EXITED | W.NOHANG)
  ]),
  "real-time signals end a process": numbered([
    ...sleeper("child"),
    kill("$child", 34),
    wait(P.ALL, 0, W.EXITED),
    ...sleeper("last"),
    kill("$last", 64),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "signals that dump core tell so only where a core is written": numbered([
    line("prlimit64", { pid: 0, resource: 4, limit: { soft: 0n, hard: 0n } }),
    ...sleeper("child"),
    kill("$child", SIG.QUIT),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "SIGTSTP does not stop a member of an orphaned group": numbered([
    line("setsid"),
    ...sleeper("child"),
    kill("$child", SIG.TSTP),
    kill("$child", SIG.TTIN),
    wait(P.ALL, 0, W.STOPPED | W.NOHANG),
    kill("$child", SIG.STOP),
    wait(P.ALL, 0, W.STOPPED)
  ]),
  "SIGKILL and SIGSTOP can't be blocked": numbered([
    gate("never"),
    gate("ready"),
    start("child", 0, [
      line("rt_sigprocmask", { how: 2, signals: [SIG.KILL, SIG.STOP, SIG.TERM] }),
      openGate("ready"),
      pass("never")
    ]),
    pass("ready"),
    kill("$child", SIG.TERM),
    kill("$child", SIG.STOP),
    wait(P.ALL, 0, W.STOPPED),
    kill("$child", SIG.KILL),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "SIGCONT takes pending stops away": numbered([
    gate("never"),
    gate("ready"),
    start("child", 0, [
      line("rt_sigprocmask", { how: 2, signals: [SIG.TSTP, SIG.CONT] }),
      openGate("ready"),
      pass("never"),
      line("rt_sigprocmask", { how: 2, signals: [] }),
      exit(3)
    ]),
    pass("ready"),
    kill("$child", SIG.TSTP),
    kill("$child", SIG.CONT),
    openGate("never"),
    wait(P.ALL, 0, W.EXITED | W.STOPPED)
  ]),
  "kill of a group": numbered([
    gate("ready"),
    gate("never"),
    start("leader", 0, [
      line("setsid"),
      start("member", 0, [openGate("ready"), pass("never")]),
      pass("never")
    ]),
    pass("ready"),
    kill(-4000000, SIG.TERM),
    line("kill", { pid: -3, signal: SIG.TERM }),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "kill of one's own group": numbered([
    line("setsid"),
    ...sleeper("child"),
    line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
    kill(0, SIG.TERM),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "kill of everybody spares init and the caller": [
    fork(CLONE.NEWPID, [
      ...sleeper("one"),
      fork(0, [kill(-1, SIG.TERM), line("getpid", {}, see)]),
      wait(P.ALL, 0, W.EXITED),
      kill(-1, SIG.TERM)
    ])
  ],
  "kill wants a signal and a process": [
    kill(1, 65),
    kill(1, -1),
    kill(1, 0),
    kill(4000000, 65),
    kill(-2147483648, SIG.TERM)
  ],
  "who may signal": numbered([
    gate("ready"),
    gate("never"),
    start("child", 0, [line("setresuid", { ruid: 1000, euid: 1001, suid: 1002 }), openGate("ready"), pass("never")]),
    pass("ready"),
    ...[999, 1000, 1001, 1002].map((id) => fork(0, [uids(id), kill("$child", 0), kill("$child", SIG.CONT)])),
    fork(0, [line("setresuid", { ruid: 1000, euid: 5, suid: 5 }), kill("$child", 0)]),
    fork(0, [line("setresuid", { ruid: 5, euid: 5, suid: 1000 }), kill("$child", 0)]),
    fork(0, [line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }), kill("$child", 0)]),
    fork(0, [line("capset", { effective: 0x20n, permitted: 0x20n, inheritable: 0n }), kill("$child", 0)])
  ]),
  "SIGCONT is for the whole session": numbered([
    gate("ready"),
    gate("never"),
    start("child", 0, [uids(1000), line("setsid"), openGate("ready"), pass("never")]),
    pass("ready"),
    fork(0, [uids(1001), kill("$child", SIG.CONT), kill("$child", 0)])
  ]),
  "kill of a group succeeds if one could be signalled": numbered([
    line("setsid"),
    ...sleeper("child"),
    gate("ready"),
    start("mine", 0, [uids(1000), openGate("ready"), pass("never")]),
    pass("ready"),
    fork(0, [
      uids(1000),
      line("rt_sigaction", { signal: SIG.TERM, disposition: "SIG_IGN" }),
      kill(0, SIG.TERM),
      kill(-1, 0)
    ]),
    waitFor("$mine"),
    kill("$child", SIG.KILL),
    waitFor("$child")
  ]),
  "sigprocmask knows three ways": [line("rt_sigprocmask", { how: 3, signals: [] })],
  "dispositions of SIGKILL and SIGSTOP stay": [
    line("rt_sigaction", { signal: SIG.KILL, disposition: "SIG_DFL" }),
    line("rt_sigaction", { signal: SIG.STOP, disposition: "SIG_IGN" }),
    line("rt_sigaction", { signal: 0, disposition: "SIG_DFL" }),
    line("rt_sigaction", { signal: 64, disposition: "SIG_IGN" }),
    line("rt_sigaction", { signal: 65, disposition: "SIG_IGN" })
  ]
}
