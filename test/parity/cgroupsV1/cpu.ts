/** Shares and quotas of processors. */
import { SCHED } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, line, readFile, write } from "../../support/vocabulary.ts"
import { at, values, within, writes } from "./lines.ts"

const realTime = { policy: SCHED.FIFO, flags: 0n, nice: 0, priority: 5, runtime: 0n, deadline: 0n, period: 0n }

export const cpu: Readonly<Record<string, Scenario>> = {
  "what a quota takes": within(
    "cpu",
    [],
    values(
      at("cpu", "/cpu.cfs_quota_us"),
      "0",
      "999",
      "1000",
      "50000",
      "-1",
      "-2",
      "100000000000000",
      "abc",
      "",
      " 5000",
      "5000 ",
      "5000\n",
      "0x2000",
      "5000x"
    )
  ),
  "what a period takes": within(
    "cpu",
    [],
    values(at("cpu", "/cpu.cfs_period_us"), "0", "999", "1000", "1000000", "1000001", "-1", "abc", "100000")
  ),
  "a burst is at most the quota": within("cpu", [], [
    ...values(at("cpu", "/cpu.cfs_burst_us"), "9999999"),
    ...write(at("cpu", "/cpu.cfs_quota_us"), "50000"),
    ...values(at("cpu", "/cpu.cfs_burst_us"), "0", "50000", "50001", "-1"),
    ...write(at("cpu", "/cpu.cfs_quota_us"), "50000"),
    ...values(at("cpu", "/cpu.cfs_quota_us"), "40000", "-1")
  ]),
  "groups below have no more than those above": within("cpu", ["/a", "/a/b"], [
    ...write(at("cpu", "/cpu.cfs_quota_us"), "50000"),
    ...writes(at("cpu", "/a/b/cpu.cfs_quota_us"), "60000", "50000"),
    ...writes(at("cpu", "/cpu.cfs_quota_us"), "40000", "-1"),
    ...writes(at("cpu", "/a/b/cpu.cfs_period_us"), "10000"),
    ...writes(at("cpu", "/a/cpu.cfs_quota_us"), "10000", "500000")
  ]),
  "what shares take": within(
    "cpu",
    [],
    values(at("cpu", "/cpu.shares"), "0", "1", "2", "1024", "262144", "262145", "99999999999", "-1", "abc")
  ),
  "an idle group has the least shares": within("cpu", [], [
    ...values(at("cpu", "/cpu.idle"), "2", "-1", "1"),
    ...readFile(at("cpu", "/cpu.shares")),
    ...write(at("cpu", "/cpu.shares"), "100"),
    ...values(at("cpu", "/cpu.idle"), "0"),
    ...readFile(at("cpu", "/cpu.shares"))
  ]),
  "the root group has all": [
    ...write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "1000"),
    ...write("/sys/fs/cgroup/cpu/cpu.shares", "5"),
    ...write("/sys/fs/cgroup/cpu/cpu.idle", "1")
  ],
  "real time is shared out": within("cpu", ["/a"], [
    ...values(at("cpu", "/cpu.rt_runtime_us"), "950001", "-1", "1000"),
    ...writes(at("cpu", "/a/cpu.rt_runtime_us"), "2000", "500"),
    ...writes(at("cpu", "/cpu.rt_runtime_us"), "400"),
    ...writes(at("cpu", "/cpu.rt_period_us"), "0", "500"),
    ...writes(at("cpu", "/a/cpu.rt_runtime_us"), "0"),
    ...writes(at("cpu", "/cpu.rt_runtime_us"), "0")
  ]),
  "a new group has no real time": within("cpu", [], [
    fork(0, [
      ...write(at("cpu", "/cgroup.procs"), "0"),
      line("sched_setattr", { pid: 0, attributes: realTime }),
      ...write(at("cpu", "/cpu.rt_runtime_us"), "1000"),
      line("sched_setattr", { pid: 0, attributes: realTime }),
      ...write(at("cpu", "/cpu.rt_runtime_us"), "0")
    ])
  ]),
  "a real-time process joins no group without real time": within("cpu", [], [
    fork(0, [
      line("sched_setattr", { pid: 0, attributes: realTime }),
      ...write(at("cpu", "/cgroup.procs"), "0"),
      ...write(at("cpu", "/cpu.rt_runtime_us"), "1000"),
      ...write(at("cpu", "/cgroup.procs"), "0")
    ])
  ])
}
