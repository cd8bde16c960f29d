/** Processes and signals. */
import * as fc from "fast-check"
import { CLONE, O, PR, RLIMIT, SIG } from "../../../src/native/constants.ts"
import { type Scenario } from "../parityLines.ts"
import { as, gate, kill, line, openGate, pass, see, start, waitFor } from "../vocabulary.ts"
import { becomeSomebody, call, from, type Steps, weighted } from "./parts.ts"
import { fds, inFork, keep, names, prctl, sequence } from "./sequences.ts"

/** Those that do not stop: a stopped process would be waited for. */
const signals = from<number>(
  SIG.HUP,
  SIG.USR1,
  SIG.USR2,
  SIG.PIPE,
  SIG.TERM,
  SIG.CHLD,
  SIG.CONT,
  SIG.WINCH,
  SIG.URG,
  40
)

/** Without SIGCHLD: the children of whoever ignores it are gone at a time of their own. */
const others = signals.filter((signal) => signal !== SIG.CHLD)
const somePid = from<string | number>("$me", "$me", "$me", 1, 4000000)

const signalStep: Steps = weighted(
  [
    4,
    call("rt_sigaction", {
      signal: fc.oneof(others, from<number>(SIG.KILL, SIG.STOP, 65, 0)),
      disposition: from("SIG_IGN", "SIG_IGN", "SIG_DFL")
    })
  ],
  [
    4,
    call("rt_sigprocmask", {
      how: from(0, 1, 2),
      signals: fc.array(fc.oneof(signals, from<number>(SIG.KILL)), { maxLength: 3 })
    }, { see: true })
  ],
  [4, call("kill", { pid: somePid, signal: fc.oneof(signals, from(0, 65, -1)) })],
  [1, call("setsid", {}, see)],
  [1, call("getsid", { pid: somePid }, see)],
  [1, call("getppid", {}, see)],
  [1, call("getpid", {}, see)],
  [1, prctl(PR.SET_CHILD_SUBREAPER, from(0, 1))],
  [
    1,
    call("waitid", { idtype: from(0, 1, 2, 9), id: from(0, 1, 77), options: from(4, 5, 0, 2, 1, 12) }, {
      see: ["code", "status"]
    })
  ],
  [1, keep("pidfd_open", { pid: somePid, flags: from(0, 1, O.NONBLOCK) }, names)],
  [1, call("pidfd_send_signal", { pidfd: fds, signal: fc.oneof(signals, from(0, 65)) })],
  [1, becomeSomebody],
  [
    1,
    call("prlimit64", {
      pid: from<string | number>(0, "$me", 1),
      resource: from<number>(RLIMIT.NOFILE, RLIMIT.CORE, RLIMIT.NPROC),
      limit: from({ soft: 10000n, hard: 20000n }, { soft: 30000n, hard: 10000n }, { soft: 600n, hard: 600n })
    })
  ],
  [1, from(0, 1, 7).map((status): Scenario => [{ fork: 0, lines: [line("exit_group", { status })] }])]
)

/** A child beside that waits, is signalled, and is waited for. */
const besides: Steps = fc.tuple(
  fc.array(signalStep, { maxLength: 3 }),
  fc.array(signals, { minLength: 1, maxLength: 3 }),
  fc.boolean()
).map(([inside, sent, masked]): Scenario => [
  gate("ready"),
  gate("never"),
  start("child", 0, [
    line("getpid", {}, as("me")),
    ...masked ? [line("rt_sigprocmask", { how: 0, signals: [SIG.TERM, SIG.USR1] })] : [],
    ...inside.flat(),
    openGate("ready"),
    pass("never")
  ]),
  line("close", { fd: "$ready.1" }),
  pass("ready"),
  ...sent.map((signal) => kill("$child", signal)),
  kill("$child", SIG.KILL),
  waitFor("$child"),
  waitFor("$child")
])

export const processes = sequence(
  fc.oneof({ weight: 12, arbitrary: signalStep }, { weight: 2, arbitrary: besides }, {
    weight: 1,
    arbitrary: inFork(from(0, CLONE.NEWPID, CLONE.NEWUSER), signalStep)
  }),
  [],
  10
).map((lines): Scenario => [
  // as process 2 of a pid namespace, so that the numbers are the same on both sides
  { fork: CLONE.NEWPID, lines: [{ fork: 0, lines: [line("getpid", {}, as("me")), ...lines] }] }
])
