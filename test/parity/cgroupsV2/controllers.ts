/** Controllers: which there are, and what their files take. */
import { O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { end, fork, line, open, see, sleeper } from "../../support/vocabulary.ts"
import { base, get, put, set, types, values, whereIs, within } from "./lines.ts"

const control = "/cgroup.subtree_control"

export const controllers: Readonly<Record<string, Scenario>> = {
  "what cgroup.subtree_control takes": within([], [
    ...set(control, "", "\n", "pids", "+", "-", "+nothing", "-nothing", "+ pids", "* pids", "+cgroup")
  ]),
  "a controller that the parent has not switched on": within(["/a"], [
    ...set("/a/cgroup.subtree_control", "+pids"),
    ...set("/a/cgroup.subtree_control", "-pids"),
    ...set("/a/cgroup.subtree_control", "+pids -pids")
  ])
}

/** Where the controllers are in version 2, switched on for the groups below the root. */
export const full: Readonly<Record<string, Scenario>> = {
  "controllers are listed in the kernel's order": within(["/a"], [
    ...values(control, "+pids", "+memory +cpu", "-memory", "+pids +memory -pids"),
    ...get("/a/cgroup.controllers"),
    ...set(control, "-cpu -memory -pids")
  ]),
  "files come and go with the controller": within(["/a"], [
    open(`${base}/a/pids.max`, O.RDONLY),
    ...set(control, "+pids"),
    ...values("/a/pids.max", "7"),
    ...set(control, "-pids"),
    open(`${base}/a/pids.max`, O.RDONLY),
    ...set(control, "+pids"),
    ...get("/a/pids.max"),
    ...set(control, "-pids")
  ]),
  "a controller that a group below uses stays": within(["/a"], [
    ...set(control, "+pids"),
    ...set("/a/cgroup.subtree_control", "+pids"),
    ...set(control, "-pids"),
    ...set("/a/cgroup.subtree_control", "-pids"),
    ...set(control, "-pids")
  ]),
  "no processes beside groups with controllers for processes": within(["/a"], [
    ...set(control, "+memory"),
    fork(0, [...set("/cgroup.procs", "0"), ...set("/a/cgroup.procs", "0"), ...whereIs("self")]),
    ...set(control, "-memory"),
    fork(0, [...set("/cgroup.procs", "0"), ...set(control, "+memory"), ...set("/a/cgroup.procs", "0")]),
    ...set(control, "+memory"),
    ...set(control, "-memory")
  ]),
  "processes beside groups with controllers for threads": within(["/a"], [
    ...set(control, "+pids"),
    fork(0, [...set("/cgroup.procs", "0"), ...types("", "/a"), ...whereIs("self")]),
    ...set(control, "-pids"),
    fork(0, [...set("/cgroup.procs", "0"), ...set(control, "+pids"), ...types("", "/a"), ...set(control, "+memory")]),
    ...set(control, "-pids")
  ]),
  "a threaded group has no controllers for processes": within(["/a"], [
    ...set(control, "+memory"),
    ...set("/a/cgroup.type", "threaded"),
    ...set(control, "-memory"),
    ...set("/a/cgroup.type", "threaded"),
    ...set(control, "+memory"),
    ...set(control, "+pids"),
    ...get("/a/cgroup.controllers"),
    ...set(control, "-pids")
  ]),
  "pids.max stops fork": within([], [
    fork(0, [
      ...set("/pids.max", "2"),
      ...set("/cgroup.procs", "0"),
      fork(0, [fork(0, [])]),
      ...set("/pids.max", "1"),
      fork(0, []),
      ...get("/pids.current")
    ])
  ]),
  "what pids.max takes": within([], values("/pids.max", "0", "max", "-1", "x", " 7 ", "4194304", "4194305")),
  "what limits of memory take": within([], [
    ...values("/memory.max", "0", "4096", "4097", "1M", "max", "-1", "abc", "1Mx"),
    ...values("/memory.high", "8k", "max"),
    ...values("/memory.low", "1G", "0"),
    ...values("/memory.min", "5000", "x"),
    ...values("/memory.oom.group", "1", "2", "0", "x")
  ]),
  "what cpu.max takes": within([], [
    ...values("/cpu.max", "50000", "50000 100000", "max", "max 50000", "999", "1000 1000", "0", "-1", "x"),
    ...values("/cpu.max", "50000 1000001", "50000 999", "20000 50000 x", "50000x")
  ]),
  "what io.max takes": within([], [
    ...values("/io.max", "", "x", "7", "7:", "7:0", "7:0 ", "999:999 rbps=100", "999:999 rbps=0", "999:999 x"),
    ...values("/io.max", "999: 999 rbps=100", "-1:0 rbps=100", " 999:999 rbps=max")
  ]),
  "what cpu.weight takes": within([], values("/cpu.weight", "0", "1", "10000", "10001", "x", "-1", "100\n")),
  "groups below may be told more than those above": within(["/a"], [
    ...set(control, "+cpu"),
    ...set("/cpu.max", "50000 100000"),
    ...values("/a/cpu.max", "60000 100000"),
    ...set(control, "-cpu")
  ]),
  "cpusets have what their parent has": within(["/a"], [
    ...set(control, "+cpuset"),
    ...get("/cpuset.cpus", "/cpuset.cpus.effective", "/a/cpuset.cpus.effective"),
    ...values("/cpuset.cpus", "1", "0-1", "x", "5", "\n", "0"),
    ...values("/a/cpuset.cpus", "1"),
    ...get("/a/cpuset.cpus.effective"),
    ...values("/a/cpuset.cpus", "0-1"),
    ...get("/a/cpuset.cpus.effective"),
    ...set(control, "-cpuset")
  ]),
  "processes have the processors of their cpuset": within([], [
    ...set("/cpuset.cpus", "1"),
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    line("sched_getaffinity", { pid: "$child" }, see),
    line("sched_setaffinity", { pid: "$child", cpus: [0] }),
    ...set("/cpuset.cpus", "0-1"),
    line("sched_getaffinity", { pid: "$child" }, see),
    ...end("child")
  ]),
  "a cpuset of version 2 takes processes though it is empty": within([], [
    fork(0, [...set("/cgroup.procs", "0"), line("sched_getaffinity", { pid: 0 }, see)])
  ])
}
