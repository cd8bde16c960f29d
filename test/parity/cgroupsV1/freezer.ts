/** The freezer. */
import { SIG, W } from "../../../src/native/constants.ts"
import { type Line, type Scenario } from "../../support/parityLines.ts"
import {
  gate,
  join,
  kill,
  line,
  lookAt,
  mkdir,
  openGate,
  pass,
  readFile,
  rmdir,
  see,
  sleeper,
  start,
  waitFor,
  write
} from "../../support/vocabulary.ts"
import { at, put, values, within } from "./lines.ts"

const moment: Line = line("nanosleep", { nanoseconds: 50_000_000n })

export const freezer: Readonly<Record<string, Scenario>> = {
  "a freezer's words": within("freezer", [], [
    ...values(
      at("freezer", "/freezer.state"),
      "FROZEN",
      "frozen",
      "THAWED",
      "FREEZING",
      "FROZEN\n",
      "",
      "FROZEN x",
      "\n"
    )
  ]),
  "its read-only files": within("freezer", [], [
    ...write(at("freezer", "/freezer.self_freezing"), "1"),
    ...write(at("freezer", "/freezer.parent_freezing"), "1")
  ]),
  "groups below are frozen with it": within("freezer", ["/a"], [
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    ...["", "/a"].flatMap((below) =>
      ["state", "self_freezing", "parent_freezing"].flatMap((file) =>
        readFile(at("freezer", `${below}/freezer.${file}`))
      )
    ),
    ...write(at("freezer", "/a/freezer.state"), "THAWED"),
    ...readFile(at("freezer", "/a/freezer.state")),
    ...write(at("freezer", "/a/freezer.state"), "FROZEN"),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    ...["", "/a"].flatMap((below) =>
      ["state", "self_freezing", "parent_freezing"].flatMap((file) =>
        readFile(at("freezer", `${below}/freezer.${file}`))
      )
    )
  ]),
  "a new group in a frozen one is frozen": within("freezer", [], [
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    mkdir(at("freezer", "/a")),
    ...readFile(at("freezer", "/a/freezer.state")),
    ...readFile(at("freezer", "/a/freezer.self_freezing")),
    rmdir(at("freezer", "/a"))
  ]),
  "a frozen process is killed after the thaw": within("freezer", [], [
    ...sleeper("child"),
    ...put(at("freezer", "/cgroup.procs"), "child"),
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    moment,
    ...readFile(at("freezer", "/freezer.state")),
    ...lookAt("/proc/$child/status", /^State/),
    kill("$child", SIG.KILL),
    moment,
    waitFor("$child", W.EXITED | W.NOHANG),
    rmdir(at("freezer")),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    waitFor("$child")
  ]),
  "a process that leaves a frozen group goes on": within("freezer", [], [
    gate("hold"),
    start("child", 0, [pass("hold"), line("getcwd", {}, see)]),
    ...put(at("freezer", "/cgroup.procs"), "child"),
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    openGate("hold"),
    moment,
    waitFor("$child", W.EXITED | W.NOHANG),
    ...put("/sys/fs/cgroup/freezer/cgroup.procs", "child"),
    join("child"),
    waitFor("$child")
  ]),
  "a process that joins a frozen group is frozen": within("freezer", [], [
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    gate("hold"),
    start("child", 0, [pass("hold"), line("getcwd", {}, see)]),
    ...put(at("freezer", "/cgroup.procs"), "child"),
    openGate("hold"),
    moment,
    ...readFile(at("freezer", "/freezer.state")),
    waitFor("$child", W.EXITED | W.NOHANG),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    join("child"),
    waitFor("$child")
  ]),
  "a group can be frozen that is frozen": within("freezer", [], [
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    ...write(at("freezer", "/freezer.state"), "FROZEN"),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    ...write(at("freezer", "/freezer.state"), "THAWED"),
    ...readFile(at("freezer", "/freezer.state"))
  ])
}
