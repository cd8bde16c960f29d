/** Signals beside those of `processes.ts`: who gets them, what waits, what exec keeps, inits, groups and stops. */
import { CLONE, SIG, W } from "../../src/native/constants.ts"
import { type Line, type Scenario } from "../support/parityLines.ts"
import {
  as,
  become,
  end,
  fork,
  gate,
  join,
  kill,
  line,
  lookAt,
  openGate,
  pass,
  sleeper,
  start,
  waitFor
} from "../support/vocabulary.ts"

const nobody = 54321
/** As process 2 of a pid namespace, where nobody else is. */
const alone = (lines: Scenario): Scenario => [fork(CLONE.NEWPID, [fork(0, lines)])]
const state = (child: string): Line => waitFor(`$${child}`, W.EXITED | W.STOPPED | W.CONTINUED | W.NOHANG)
const block = (...signals: ReadonlyArray<number>): Line => line("rt_sigprocmask", { how: 0, signals })
const ignore = (signal: number): Line => line("rt_sigaction", { signal, disposition: "SIG_IGN" })
const byDefault = (signal: number): Line => line("rt_sigaction", { signal, disposition: "SIG_DFL" })
const pending = (child = "self"): Scenario => lookAt(`/proc/${child}/status`, /^(ShdPnd|SigBlk|SigIgn)/)

export const signals: Readonly<Record<string, Scenario>> = {
  "kill of everybody says nothing of those whom one may not signal": alone([
    ...sleeper("root"),
    fork(0, [...become(nobody), kill(-1, SIG.TERM)]),
    state("root"),
    ...end("root")
  ]),
  "kill of everybody where nobody else is": [fork(CLONE.NEWPID, [kill(-1, SIG.TERM), kill(-1, 0)])],
  "kill of everybody with a signal that there is not": alone([
    kill(-1, 65),
    ...sleeper("child"),
    kill(-1, 65),
    kill(-1, -1),
    ...end("child")
  ]),
  "kill of everybody reaches those in pid namespaces below": alone([
    gate("hold"),
    gate("ready"),
    start("init", CLONE.NEWPID, [openGate("ready"), pass("hold")]),
    pass("ready"),
    kill(-1, SIG.TERM),
    state("init"),
    kill(-1, SIG.KILL),
    waitFor("$init")
  ]),
  "signal 0 asks only": [
    ...sleeper("child"),
    kill("$child", 0),
    fork(0, [...become(nobody), kill("$child", 0)]),
    state("child"),
    ...end("child")
  ],
  "there are 64 signals": [
    ...sleeper("child"),
    kill("$child", 65),
    kill("$child", -1),
    kill("$child", 1000),
    kill("$child", 64),
    waitFor("$child")
  ],
  "a zombie can be signalled, by whom it may": [
    start("child", 0, become(nobody)),
    join("child"),
    waitFor("$child", W.EXITED | W.NOWAIT),
    kill("$child", SIG.KILL),
    fork(0, [...become(nobody + 1), kill("$child", 0)]),
    waitFor("$child"),
    kill("$child", 0)
  ],
  "a group that there is not": [kill(-99999999, SIG.TERM), kill(-99999999, 65), kill(-2147483648, SIG.TERM)],
  "real, effective and saved ids of both sides": [
    ...sleeper("child", [line("setresuid", { ruid: nobody, euid: nobody + 1, suid: nobody + 2 })]),
    fork(0, [line("setresuid", { ruid: nobody + 1, euid: nobody + 1, suid: nobody + 1 }), kill("$child", 0)]),
    fork(0, [line("setresuid", { ruid: nobody + 2, euid: nobody + 3, suid: nobody + 3 }), kill("$child", 0)]),
    fork(0, [line("setresuid", { ruid: nobody + 3, euid: nobody, suid: nobody + 3 }), kill("$child", 0)]),
    fork(0, [line("setresuid", { ruid: nobody + 3, euid: nobody + 3, suid: nobody }), kill("$child", 0)]),
    ...end("child")
  ],
  "CAP_KILL counts in the user namespace of the target": [
    ...sleeper("child", become(nobody)),
    fork(CLONE.NEWUSER, [kill("$child", 0)]),
    fork(0, [
      line("prctl", { option: 8, arg2: 1, arg3: 0, arg4: 0, arg5: 0 }),
      line("setresuid", { ruid: nobody + 1, euid: nobody + 1, suid: nobody + 1 }),
      kill("$child", 0),
      line("capset", { effective: 32n, permitted: 32n, inheritable: 0n }),
      kill("$child", 0)
    ]),
    ...end("child")
  ],
  "SIGCONT of another session takes rights": [
    ...sleeper("child", [line("setsid", {}), ...become(nobody)]),
    fork(0, [...become(nobody + 1), kill("$child", SIG.CONT)]),
    ...sleeper("other", become(nobody)),
    fork(0, [...become(nobody + 1), kill("$other", SIG.CONT), kill("$other", SIG.TERM)]),
    ...end("child"),
    ...end("other")
  ],
  "a blocked signal is pending once": [
    fork(0, [
      block(SIG.USR1, SIG.TERM),
      line("getpid", {}, as("me")),
      kill("$me", SIG.TERM),
      kill("$me", SIG.USR1),
      kill("$me", SIG.USR1),
      ...pending(),
      line("rt_sigprocmask", { how: 1, signals: [SIG.TERM] })
    ])
  ],
  "of several that are unblocked together, one ends the process": [
    fork(0, [
      block(SIG.USR1, SIG.TERM, SIG.HUP),
      line("getpid", {}, as("me")),
      kill("$me", SIG.TERM),
      kill("$me", SIG.USR1),
      kill("$me", SIG.HUP),
      line("rt_sigprocmask", { how: 2, signals: [] })
    ])
  ],
  "a blocked signal of another process waits as well": [
    ...sleeper("child", [block(SIG.TERM)]),
    kill("$child", SIG.TERM),
    ...pending("$child"),
    state("child"),
    ...end("child")
  ],
  "an ignored signal is lost": [
    ...sleeper("child", [ignore(SIG.TERM)]),
    kill("$child", SIG.TERM),
    ...pending("$child"),
    state("child"),
    ...end("child")
  ],
  "giving the default back does not bring lost signals back": [
    fork(0, [
      ignore(SIG.USR1),
      line("getpid", {}, as("me")),
      kill("$me", SIG.USR1),
      byDefault(SIG.USR1),
      kill("$me", SIG.USR2)
    ])
  ],
  "ignoring a blocked signal drops it": [
    fork(0, [
      block(SIG.USR1),
      line("getpid", {}, as("me")),
      kill("$me", SIG.USR1),
      ignore(SIG.USR1),
      ...pending(),
      byDefault(SIG.USR1),
      line("rt_sigprocmask", { how: 2, signals: [] }),
      ...pending()
    ])
  ],
  "children inherit what is ignored and blocked": [
    ignore(SIG.USR2),
    block(SIG.HUP),
    fork(0, pending())
  ],
  "SIGSTOP stops what ignores and blocks everything": [
    ...sleeper("child", [ignore(SIG.TSTP), block(SIG.TERM, SIG.CONT)]),
    kill("$child", SIG.STOP),
    waitFor("$child", W.STOPPED),
    kill("$child", SIG.CONT),
    waitFor("$child", W.CONTINUED),
    ...end("child")
  ],
  "a stopped process goes on before it ends": [
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    waitFor("$child", W.STOPPED),
    kill("$child", SIG.TERM),
    state("child"),
    ...pending("$child"),
    kill("$child", SIG.CONT),
    waitFor("$child")
  ],
  "SIGKILL ends a stopped process": [
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    waitFor("$child", W.STOPPED),
    kill("$child", SIG.KILL),
    waitFor("$child")
  ],
  "a stop takes SIGCONT away": [
    ...sleeper("child", [block(SIG.CONT)]),
    kill("$child", SIG.CONT),
    ...pending("$child"),
    kill("$child", SIG.STOP),
    waitFor("$child", W.STOPPED),
    ...pending("$child"),
    ...end("child")
  ],
  "an init hears of its members only what it handles": [
    fork(CLONE.NEWPID, [
      fork(0, [kill(1, SIG.TERM), kill(1, SIG.KILL), kill(1, SIG.STOP), kill(1, 0)]),
      line("getpid", {}, as("me")),
      kill("$me", SIG.TERM),
      kill("$me", SIG.KILL)
    ])
  ],
  "an init is killed and stopped from outside only by what can't be refused": [
    gate("hold"),
    gate("ready"),
    start("init", CLONE.NEWPID, [openGate("ready"), pass("hold")]),
    pass("ready"),
    kill("$init", SIG.TERM),
    kill("$init", SIG.HUP),
    state("init"),
    kill("$init", SIG.STOP),
    waitFor("$init", W.STOPPED),
    kill("$init", SIG.CONT),
    waitFor("$init", W.CONTINUED),
    kill("$init", SIG.KILL),
    waitFor("$init")
  ],
  "the end of an init is the end of its members": [
    gate("hold"),
    gate("ready"),
    start("init", CLONE.NEWPID, [
      start("member", 0, [block(SIG.TERM), openGate("ready"), pass("hold")]),
      pass("hold")
    ]),
    pass("ready"),
    kill("$init", SIG.KILL),
    waitFor("$init")
  ],
  "how each signal ends a process": [
    SIG.HUP,
    SIG.INT,
    SIG.KILL,
    SIG.USR1,
    SIG.ALRM,
    SIG.TERM,
    34,
    64
  ].flatMap((signal) => [...sleeper("child"), kill("$child", signal), waitFor("$child")]),
  "signals that do nothing by default": [
    ...sleeper("child"),
    ...[SIG.CHLD, SIG.URG, SIG.WINCH, SIG.CONT].map((signal) => kill("$child", signal)),
    state("child"),
    ...pending("$child"),
    ...end("child")
  ],
  "one's own group with signal 0": [fork(0, [line("setsid", {}), kill(0, 0), kill(0, 65), kill(0, SIG.TERM)])],
  "one's own group without rights on any but oneself": [
    fork(0, [
      line("setsid", {}),
      ...sleeper("child"),
      fork(0, [...become(nobody), kill(0, 0), kill(0, SIG.USR1)]),
      state("child"),
      ...end("child")
    ])
  ]
}
