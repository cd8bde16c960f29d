/** Groups, their files, and who is in them. */
import { O, W } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { end, join, mkdir, open, rmdir, sleeper, start, stat, waitFor } from "../../support/vocabulary.ts"
import { base, events, get, put, root, set, values, whereIs, within } from "./lines.ts"

export const core: Readonly<Record<string, Scenario>> = {
  "a new group": within([], [
    ...get("/cgroup.procs", "/cgroup.threads", "/cgroup.type", "/cgroup.freeze", "/cgroup.subtree_control"),
    ...get("/cgroup.max.depth", "/cgroup.max.descendants"),
    ...events(),
    stat(base, ["mode", "uid", "gid"]),
    stat(`${base}/cgroup.procs`, ["mode", "uid", "gid"]),
    stat(`${base}/cgroup.controllers`, "mode"),
    stat(`${base}/cgroup.kill`, "mode")
  ]),
  "the root has no type, no freezer, no kill": [
    open(`${root}/cgroup.type`, O.RDONLY),
    open(`${root}/cgroup.freeze`, O.RDONLY),
    open(`${root}/cgroup.kill`, O.WRONLY),
    open(`${root}/cgroup.events`, O.RDONLY),
    open(`${root}/pids.max`, O.RDONLY),
    rmdir(root)
  ],
  "a group with groups stays": within(["/a"], [rmdir(base)]),
  "a group with processes stays": within([], [
    ...sleeper("child"),
    ...put("/cgroup.procs", "child"),
    rmdir(base),
    ...events(),
    ...whereIs("$child"),
    ...end("child")
  ]),
  "what cgroup.procs takes": within([], set("/cgroup.procs", "", "x", "-1", "1 2", "99999999", "4294967296", "\n")),
  "a dead process joins nothing, without an error": within([], [
    start("child", 0, []),
    join("child"),
    waitFor("$child", W.EXITED | W.NOWAIT),
    ...put("/cgroup.procs", "child"),
    ...get("/cgroup.procs"),
    waitFor("$child")
  ]),
  "read-only and write-only files": within([], [
    ...set("/cgroup.events", "x"),
    ...set("/cgroup.controllers", "x"),
    ...get("/cgroup.kill")
  ]),
  "populated is told upwards": within(["/a", "/a/b"], [
    ...sleeper("child"),
    ...put("/a/b/cgroup.procs", "child"),
    ...events(),
    ...events("/a/b"),
    ...get("/a/cgroup.procs"),
    ...end("child")
  ]),
  "depth is limited": within(["/a"], [
    ...set("/cgroup.max.depth", "1"),
    mkdir(`${base}/a/b`),
    mkdir(`${base}/c`),
    rmdir(`${base}/c`),
    ...set("/cgroup.max.depth", "0"),
    mkdir(`${base}/c`)
  ]),
  "descendants are limited": within(["/a", "/a/b"], [
    ...set("/cgroup.max.descendants", "2"),
    mkdir(`${base}/c`),
    mkdir(`${base}/a/c`),
    ...set("/cgroup.max.descendants", "3"),
    mkdir(`${base}/a/c`),
    rmdir(`${base}/a/c`)
  ]),
  "what limits of the tree take": within([], [
    ...values("/cgroup.max.depth", "0", "5", "max", "-1", "x", "", " 3 ", "99999999999"),
    ...values("/cgroup.max.descendants", "max", "0")
  ])
}
