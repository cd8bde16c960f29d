/** Policies and priorities of scheduling. */
import { SCHED, SCHED_FLAG } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import { become, fork, line } from "../../support/vocabulary.ts"
import { nobody, sleeper } from "./lines.ts"

const attributes = (policy: number, over: object = {}) => ({
  policy,
  flags: 0n,
  nice: 0,
  priority: 0,
  runtime: 0n,
  deadline: 0n,
  period: 0n,
  ...over
})

const schedule = (policy: number, over: object = {}, pid: string | number = 0): Line =>
  line("sched_setattr", { pid, attributes: attributes(policy, over) })

/** A tenth of a processor. */
const tenth = { runtime: 1_000_000n, deadline: 10_000_000n, period: 10_000_000n }

export const scheduling: Readonly<Record<string, Scenario>> = {
  "policies that there are": [SCHED.NORMAL, SCHED.BATCH, SCHED.IDLE, 4, 8, 99, -1, -5].map((policy) =>
    schedule(policy)
  ),
  "a priority is for real time, and for it only": [
    schedule(SCHED.NORMAL, { priority: 1 }),
    schedule(SCHED.BATCH, { priority: 99 }),
    schedule(SCHED.IDLE, { priority: 1 }),
    schedule(SCHED.FIFO, { priority: 0 }),
    schedule(SCHED.RR, { priority: 100 }),
    schedule(SCHED.FIFO, { priority: -1 }),
    schedule(SCHED.RR, { priority: 99 }),
    schedule(SCHED.FIFO, { priority: 1 })
  ],
  "real time takes CAP_SYS_NICE, where RLIMIT_RTPRIO is 0": [
    ...become(nobody),
    schedule(SCHED.FIFO, { priority: 1 }),
    schedule(SCHED.RR, { priority: 1 }),
    schedule(SCHED.BATCH)
  ],
  "who is real time may have less": [
    schedule(SCHED.FIFO, { priority: 50 }),
    ...become(nobody),
    schedule(SCHED.FIFO, { priority: 51 }),
    schedule(SCHED.FIFO, { priority: 49 }),
    schedule(SCHED.FIFO, { priority: 50 }),
    schedule(SCHED.RR, { priority: 10 }),
    schedule(SCHED.NORMAL)
  ],
  "a lower nice value takes CAP_SYS_NICE, where RLIMIT_NICE is 0": [
    ...become(nobody),
    schedule(SCHED.NORMAL, { nice: 5 }),
    schedule(SCHED.NORMAL, { nice: 4 }),
    schedule(SCHED.NORMAL, { nice: 5 }),
    schedule(SCHED.BATCH, { nice: 3 }),
    schedule(SCHED.BATCH, { nice: 10 }),
    schedule(SCHED.NORMAL, { nice: 9 })
  ],
  "nice values are clamped": [
    schedule(SCHED.NORMAL, { nice: 100 }),
    schedule(SCHED.NORMAL, { nice: -100 }),
    ...become(nobody),
    schedule(SCHED.NORMAL, { nice: 1000 }),
    schedule(SCHED.NORMAL, { nice: 19 }),
    schedule(SCHED.NORMAL, { nice: 18 })
  ],
  "the nice value outlasts real time": [
    schedule(SCHED.NORMAL, { nice: 5 }),
    schedule(SCHED.FIFO, { priority: 3, nice: 0 }),
    ...become(nobody),
    schedule(SCHED.NORMAL, { nice: 4 }),
    schedule(SCHED.NORMAL, { nice: 5 })
  ],
  "who is idle stays so without CAP_SYS_NICE": [
    ...become(nobody),
    schedule(SCHED.IDLE),
    schedule(SCHED.NORMAL),
    schedule(SCHED.IDLE)
  ],
  "what is reset for children": [
    ...become(nobody),
    schedule(SCHED.NORMAL, { flags: BigInt(SCHED_FLAG.RESET_ON_FORK) }),
    schedule(SCHED.NORMAL),
    fork(0, [schedule(SCHED.NORMAL)])
  ],
  "real time is reset for children": [
    schedule(SCHED.FIFO, { priority: 5, flags: BigInt(SCHED_FLAG.RESET_ON_FORK) }),
    fork(0, [...become(nobody), schedule(SCHED.FIFO, { priority: 1 })]),
    schedule(SCHED.FIFO, { priority: 5 }),
    fork(0, [...become(nobody), schedule(SCHED.FIFO, { priority: 1 })])
  ],
  "unknown flags": [
    schedule(SCHED.NORMAL, { flags: 0x80n }),
    schedule(SCHED.NORMAL, { flags: 1n << 63n }),
    schedule(SCHED.NORMAL, { flags: 1n })
  ],
  "policy and parameters can be kept": [
    schedule(SCHED.FIFO, { priority: 7 }),
    ...become(nobody),
    schedule(SCHED.NORMAL, { priority: 6, flags: BigInt(SCHED_FLAG.KEEP_POLICY) }),
    schedule(SCHED.NORMAL, { priority: 0, flags: BigInt(SCHED_FLAG.KEEP_POLICY) }),
    schedule(SCHED.FIFO, { priority: 99, flags: BigInt(SCHED_FLAG.KEEP_PARAMS) }),
    schedule(SCHED.FIFO, { priority: 7 })
  ],
  "a deadline has a runtime within a deadline within a period": [
    schedule(SCHED.DEADLINE),
    schedule(SCHED.DEADLINE, { ...tenth, runtime: 1023n }),
    schedule(SCHED.DEADLINE, { ...tenth, runtime: 20_000_000n }),
    schedule(SCHED.DEADLINE, { ...tenth, deadline: 20_000_000n }),
    schedule(SCHED.DEADLINE, { ...tenth, deadline: 0n }),
    schedule(SCHED.DEADLINE, { ...tenth, deadline: 1n << 63n }),
    schedule(SCHED.DEADLINE, { ...tenth, priority: 1 }),
    schedule(SCHED.DEADLINE, { runtime: 2000n, deadline: 99_999n, period: 0n }),
    schedule(SCHED.DEADLINE, { runtime: 2000n, deadline: 10_000_000n, period: 5_000_000_000n }),
    schedule(SCHED.DEADLINE, tenth),
    schedule(SCHED.NORMAL)
  ],
  "a deadline without a period": [schedule(SCHED.DEADLINE, { ...tenth, period: 0n })],
  "a deadline takes CAP_SYS_NICE": [...become(nobody), schedule(SCHED.DEADLINE, tenth)],
  "who has a deadline has no children, unless they are reset": [
    schedule(SCHED.DEADLINE, tenth),
    fork(0, []),
    schedule(SCHED.DEADLINE, { ...tenth, flags: BigInt(SCHED_FLAG.RESET_ON_FORK) }),
    fork(0, [])
  ],
  "a deadline is for all processors": [
    line("sched_setaffinity", { pid: 0, cpus: [0] }),
    schedule(SCHED.DEADLINE, tenth),
    line("sched_setaffinity", { pid: 0, cpus: [0, 1] }),
    schedule(SCHED.DEADLINE, tenth),
    line("sched_setaffinity", { pid: 0, cpus: [0] }),
    line("sched_setaffinity", { pid: 0, cpus: [0, 1] })
  ],
  "sched_setattr of others": [
    ...sleeper("other", become(nobody)),
    schedule(SCHED.BATCH, {}, "$other"),
    fork(0, [...become(nobody), schedule(SCHED.BATCH, {}, "$other")]),
    fork(0, [...become(nobody + 1), schedule(SCHED.BATCH, {}, "$other"), schedule(99, {}, "$other")]),
    schedule(SCHED.BATCH, {}, 99999999),
    schedule(99, {}, 99999999),
    schedule(SCHED.BATCH, {}, -1)
  ]
}
