/** Groups of threads, and what type a group has. */
import { type Scenario } from "../../support/parityLines.ts"
import { end, sleeper } from "../../support/vocabulary.ts"
import { get, put, set, types, within } from "./lines.ts"

export const threads: Readonly<Record<string, Scenario>> = {
  "a threaded group makes its parent a threaded domain, and its sibling invalid": within(["/a", "/b", "/b/c"], [
    ...set("/a/cgroup.type", "threaded"),
    ...types("", "/a", "/b", "/b/c"),
    ...set("/a/cgroup.type", "threaded", "domain", "x", ""),
    ...set("/b/c/cgroup.type", "threaded"),
    ...set("/b/cgroup.type", "threaded"),
    ...types("/b", "/b/c")
  ]),
  "processes go to a threaded domain, and as threads below": within(["/a", "/b"], [
    ...set("/a/cgroup.type", "threaded"),
    ...sleeper("child"),
    ...put("/b/cgroup.procs", "child"),
    ...put("/a/cgroup.threads", "child"),
    ...put("/cgroup.procs", "child"),
    ...put("/a/cgroup.threads", "child"),
    ...get("/a/cgroup.procs"),
    ...end("child")
  ]),
  "a group with processes does not become threaded": within(["/a", "/a/b"], [
    ...sleeper("child"),
    ...put("/a/b/cgroup.procs", "child"),
    ...set("/a/cgroup.type", "threaded"),
    ...set("/a/b/cgroup.type", "threaded"),
    ...end("child")
  ]),
  "a sibling with processes forbids it too": within(["/a", "/b"], [
    ...sleeper("child"),
    ...put("/a/cgroup.procs", "child"),
    ...set("/b/cgroup.type", "threaded"),
    ...end("child"),
    ...set("/b/cgroup.type", "threaded")
  ]),
  "threaded groups are not killed": within(["/a"], [
    ...set("/a/cgroup.type", "threaded"),
    ...set("/a/cgroup.kill", "1"),
    ...set("/cgroup.kill", "1")
  ]),
  "threads stay in their domain": within(["/a"], [
    ...sleeper("child"),
    ...put("/cgroup.threads", "child"),
    ...put("/cgroup.procs", "child"),
    ...put("/a/cgroup.threads", "child"),
    ...end("child")
  ])
}
