/** How many processes there may be. */
import { CLONE } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { end, fork, line, readFile, sleeper, write } from "../../support/vocabulary.ts"
import { at, put, values, within } from "./lines.ts"

export const pids: Readonly<Record<string, Scenario>> = {
  "what pids.max takes": within(
    "pids",
    [],
    values(
      at("pids", "/pids.max"),
      "0",
      "1",
      "max",
      "4194304",
      "4194305",
      "-1",
      "abc",
      "",
      "  7 ",
      "99999999999999999999",
      "0x10",
      "max\n"
    )
  ),
  "pids.max stops fork": within("pids", [], [
    fork(0, [
      ...write(at("pids", "/pids.max"), "2"),
      ...write(at("pids", "/cgroup.procs"), "0"),
      fork(0, [fork(0, [])]),
      ...write(at("pids", "/pids.max"), "1"),
      fork(0, []),
      ...write(at("pids", "/pids.max"), "0"),
      fork(0, []),
      ...readFile(at("pids", "/pids.current"))
    ])
  ]),
  "pids.max of a group above counts as well": within("pids", ["/a"], [
    fork(0, [
      ...write(at("pids", "/pids.max"), "1"),
      ...write(at("pids", "/a/cgroup.procs"), "0"),
      fork(0, []),
      ...write(at("pids", "/pids.max"), "2"),
      fork(0, [])
    ])
  ]),
  "joining is not stopped": within("pids", [], [
    ...write(at("pids", "/pids.max"), "0"),
    ...sleeper("child"),
    ...put(at("pids", "/cgroup.procs"), "child"),
    ...readFile(at("pids", "/pids.current")),
    ...end("child")
  ]),
  "a group below counts for the one above": within("pids", ["/a"], [
    ...sleeper("child"),
    ...put(at("pids", "/a/cgroup.procs"), "child"),
    ...readFile(at("pids", "/pids.current")),
    ...readFile(at("pids", "/a/pids.current")),
    ...readFile(at("pids", "/cgroup.procs")),
    ...end("child")
  ]),
  "root is not above it": within("pids", [], [
    fork(0, [
      ...write(at("pids", "/pids.max"), "1"),
      ...write(at("pids", "/cgroup.procs"), "0"),
      line("unshare", { flags: CLONE.NEWUSER }),
      fork(0, [])
    ])
  ])
}
