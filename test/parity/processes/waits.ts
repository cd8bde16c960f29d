/** Waiting for children: ends, stops, continuations. */
import { O, P, SIG, W } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { exit, fork, gate, kill, line, lookAt, openGate, pass, see, start } from "../../support/vocabulary.ts"
import { ended, numbered, pidfd, sleeper, wait } from "./lines.ts"

export const waits: Readonly<Record<string, Scenario>> = {
  "an exit status has eight bits": [
    fork(0, [exit(7)]),
    fork(0, [exit(256)]),
    fork(0, [exit(-1)]),
    fork(0, [exit(0x1ff)])
  ],
  "waitid wants to know what for": numbered([
    ...sleeper("child"),
    wait(P.ALL, 0, 0),
    wait(P.ALL, 0, W.NOHANG),
    wait(P.ALL, 0, W.EXITED | W.NOHANG | 0x100),
    wait(9, 0, W.EXITED),
    wait(P.ALL, 0, W.STOPPED | W.NOHANG),
    wait(P.ALL, 0, W.CONTINUED | W.NOHANG),
    wait(P.ALL, 0, W.EXITED | W.NOHANG)
  ]),
  "waitid refuses impossible ids": [
    wait(P.PID, 0, W.EXITED),
    wait(P.PID, -1, W.EXITED),
    wait(P.PGID, -1, W.EXITED),
    wait(P.PIDFD, -1, W.EXITED),
    wait(P.PIDFD, 0, W.EXITED),
    wait(P.PIDFD, 480, W.EXITED)
  ],
  "waitid without children": [
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED | W.NOHANG),
    wait(P.PID, 1, W.EXITED),
    wait(P.PGID, 0, W.EXITED),
    wait(P.PID, 4000000, W.EXITED)
  ],
  "only one's own children can be waited for": numbered([
    ...sleeper("child"),
    fork(0, [wait(P.PID, "$child", W.EXITED | W.NOHANG), wait(P.ALL, 0, W.EXITED | W.NOHANG)]),
    wait(P.PID, "$child", W.EXITED | W.NOHANG)
  ]),
  "WNOWAIT leaves the child": numbered([
    start("child", 0, [exit(3)]),
    wait(P.PID, "$child", W.EXITED | W.NOWAIT),
    wait(P.PID, "$child", W.EXITED | W.NOWAIT | W.NOHANG),
    kill("$child", SIG.KILL),
    ...lookAt("/proc/self/status", /^Name:/),
    wait(P.PID, "$child", W.EXITED),
    wait(P.PID, "$child", W.EXITED),
    kill("$child", 0)
  ]),
  "the status of a killed child is the signal": numbered([
    ...sleeper("child"),
    kill("$child", SIG.TERM),
    line("waitid", { idtype: P.PID, id: "$child", options: W.EXITED }, see),
    ...sleeper("second"),
    kill("$second", SIG.KILL),
    line("waitid", { idtype: P.ALL, id: 0, options: W.EXITED }, see)
  ]),
  "children are waited for in the order they were made": numbered([
    start("one", 0, [exit(1)]),
    start("two", 0, [exit(2)]),
    ended("one"),
    ended("two"),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "a stop and a continuation are told once": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED | W.NOWAIT),
    wait(P.PID, "$child", W.EXITED | W.CONTINUED | W.NOHANG),
    wait(P.PID, "$child", W.STOPPED),
    wait(P.PID, "$child", W.STOPPED | W.NOHANG),
    kill("$child", SIG.CONT),
    wait(P.PID, "$child", W.STOPPED | W.NOHANG),
    wait(P.PID, "$child", W.CONTINUED),
    wait(P.PID, "$child", W.CONTINUED | W.NOHANG),
    kill("$child", SIG.KILL),
    wait(P.PID, "$child", W.STOPPED | W.EXITED)
  ]),
  "a stop that was not told is forgotten by a continuation": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED | W.NOWAIT),
    kill("$child", SIG.CONT),
    wait(P.PID, "$child", W.STOPPED | W.CONTINUED),
    wait(P.PID, "$child", W.STOPPED | W.CONTINUED | W.NOHANG)
  ]),
  "a continuation that was not told is forgotten by a stop": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED),
    kill("$child", SIG.CONT),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED),
    wait(P.PID, "$child", W.CONTINUED | W.NOHANG)
  ]),
  "SIGCONT for a running process is no continuation": numbered([
    ...sleeper("child"),
    kill("$child", SIG.CONT),
    wait(P.PID, "$child", W.CONTINUED | W.NOHANG),
    kill("$child", SIG.TERM),
    wait(P.PID, "$child", W.CONTINUED | W.EXITED)
  ]),
  "a stopped process can be killed, but takes other signals later": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED),
    kill("$child", SIG.TERM),
    wait(P.PID, "$child", W.EXITED | W.NOHANG),
    kill("$child", SIG.CONT),
    wait(P.PID, "$child", W.EXITED),
    ...sleeper("second"),
    kill("$second", SIG.STOP),
    wait(P.PID, "$second", W.STOPPED),
    kill("$second", SIG.KILL),
    wait(P.PID, "$second", W.EXITED)
  ]),
  "a stopped process is shown as such": numbered([
    ...sleeper("child"),
    kill("$child", SIG.STOP),
    wait(P.PID, "$child", W.STOPPED),
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    ...lookAt("/proc/$child/status", /^State:/),
    kill("$child", SIG.KILL),
    ended("child"),
    ...lookAt("/proc/$child/status", /^State:/)
  ]),
  "a parent that ignores SIGCHLD has no zombies": numbered([
    line("rt_sigaction", { signal: SIG.CHLD, disposition: "SIG_IGN" }),
    start("child", 0, [exit(3)]),
    wait(P.PID, "$child", W.EXITED),
    kill("$child", 0)
  ]),
  "ignoring SIGCHLD later keeps the zombie": numbered([
    start("child", 0, [exit(3)]),
    ended("child"),
    line("rt_sigaction", { signal: SIG.CHLD, disposition: "SIG_IGN" }),
    wait(P.ALL, 0, W.EXITED),
    wait(P.ALL, 0, W.EXITED)
  ]),
  "P_PGID waits for children of a group": numbered([
    gate("ready"),
    start("child", 0, [line("setsid"), openGate("ready"), exit(4)]),
    pass("ready"),
    wait(P.PGID, 0, W.EXITED | W.NOHANG),
    wait(P.PGID, "$child", W.EXITED),
    start("other", 0, [exit(5)]),
    wait(P.PGID, "$other", W.EXITED),
    wait(P.PGID, 0, W.EXITED)
  ]),
  "P_PIDFD waits for the process of a pidfd": numbered([
    start("child", 0, [exit(6)]),
    pidfd("$child", "fd"),
    wait(P.PIDFD, "$fd", W.EXITED),
    wait(P.PIDFD, "$fd", W.EXITED),
    pidfd(1, "init"),
    wait(P.PIDFD, "$init", W.EXITED)
  ]),
  "a non-blocking pidfd does not wait": numbered([
    ...sleeper("child"),
    pidfd("$child", "fd", O.NONBLOCK),
    wait(P.PIDFD, "$fd", W.EXITED),
    wait(P.PIDFD, "$fd", W.EXITED | W.NOHANG),
    kill("$child", SIG.KILL),
    ended("child"),
    wait(P.PIDFD, "$fd", W.EXITED)
  ]),
  "waitid tells the pid and the real uid of the child": numbered([
    start("child", 0, [line("setresuid", { ruid: 1000, euid: 1001, suid: 1002 }), exit(0)]),
    line("waitid", { idtype: P.ALL, id: 0, options: W.EXITED }, see)
  ])
}
