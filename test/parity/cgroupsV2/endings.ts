/** The freezer, and a kill of a whole group. */
import { O, SIG, W } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import {
  end,
  fork,
  gate,
  join,
  kill,
  line,
  mkdir,
  open,
  openGate,
  pass,
  rmdir,
  see,
  sleeper,
  start,
  waitFor
} from "../../support/vocabulary.ts"
import { base, events, get, put, root, set, values, within } from "./lines.ts"

const moment: Line = line("nanosleep", { nanoseconds: 50_000_000n })

export const freezing: Readonly<Record<string, Scenario>> = {
  "what cgroup.freeze takes": within([], values("/cgroup.freeze", "1", "2", "-1", "x", "1\n", " 0 ", "")),
  "an empty group is frozen at once": within(["/a"], [
    ...set("/cgroup.freeze", "1"),
    ...events(),
    ...events("/a"),
    ...get("/a/cgroup.freeze"),
    mkdir(`${base}/a/b`),
    ...events("/a/b"),
    rmdir(`${base}/a/b`),
    ...set("/cgroup.freeze", "0"),
    ...events("/a")
  ]),
  "a frozen process can be killed": within([], [
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    moment,
    ...events(),
    kill("$child", SIG.KILL),
    waitFor("$child"),
    moment
  ]),
  "other signals wait for the thaw": within([], [
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    moment,
    kill("$child", SIG.TERM),
    moment,
    waitFor("$child", W.EXITED | W.NOHANG),
    ...set("/cgroup.freeze", "0"),
    waitFor("$child")
  ]),
  "a process that leaves a frozen group goes on": within([], [
    gate("hold"),
    start("child", 0, [pass("hold"), line("getcwd", {}, see)]),
    ...put("/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    openGate("hold"),
    moment,
    waitFor("$child", W.EXITED | W.NOHANG),
    open(`${root}/cgroup.procs`, O.WRONLY, "file"),
    line("write", { fd: "$file", data: "$child\n" }),
    line("close", { fd: "$file" }),
    join("child"),
    waitFor("$child")
  ]),
  "a group stays frozen by the one above": within(["/a"], [
    gate("hold"),
    start("child", 0, [pass("hold"), line("getcwd", {}, see)]),
    ...put("/a/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    openGate("hold"),
    moment,
    ...set("/a/cgroup.freeze", "0"),
    moment,
    ...events("/a"),
    waitFor("$child", W.EXITED | W.NOHANG),
    ...set("/cgroup.freeze", "0"),
    join("child"),
    waitFor("$child")
  ])
}

export const killing: Readonly<Record<string, Scenario>> = {
  "what cgroup.kill takes": within([], set("/cgroup.kill", "0", "2", "-1", "x", "", "1")),
  "cgroup.kill kills all in the group and below": within(["/a"], [
    ...sleeper("first"),
    ...sleeper("second"),
    ...sleeper("other"),
    ...put("/cgroup.procs", "first"),
    ...put("/a/cgroup.procs", "second"),
    ...set("/cgroup.kill", "1"),
    waitFor("$first"),
    waitFor("$second"),
    waitFor("$other", W.EXITED | W.NOHANG),
    ...end("other")
  ]),
  "cgroup.kill kills frozen processes": within([], [
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    ...set("/cgroup.freeze", "1"),
    moment,
    ...set("/cgroup.kill", "1"),
    waitFor("$child"),
    moment
  ]),
  "a process may kill its own group": within([], [
    fork(0, [...set("/cgroup.procs", "0"), ...set("/cgroup.kill", "1"), line("getcwd", {}, see)])
  ])
}
