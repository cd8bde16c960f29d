/** What a cgroup namespace shows of the hierarchies. */
import { CLONE, O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { end, fork, gate, line, lookAt, mkdir, open, openGate, pass, start, write } from "../../support/vocabulary.ts"
import { at, within } from "./lines.ts"

export const namespaces: Readonly<Record<string, Scenario>> = {
  "a cgroup namespace makes a process's groups its root": within("pids", ["/a"], [
    fork(0, [
      ...write(at("pids", "/a/cgroup.procs"), "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      ...lookAt("/proc/self/cgroup", /pids/),
      ...write("/sys/fs/cgroup/pids/cgroup.procs", "0"),
      ...lookAt("/proc/self/cgroup", /pids/),
      ...write(at("pids", "/cgroup.procs"), "0"),
      ...lookAt("/proc/self/cgroup", /pids/)
    ])
  ]),
  "from outside the path is whole": within("pids", [], [
    gate("ready"),
    gate("hold"),
    start("child", 0, [
      ...write(at("pids", "/cgroup.procs"), "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      openGate("ready"),
      pass("hold")
    ]),
    pass("ready"),
    ...lookAt("/proc/$child/cgroup", /pids/),
    ...end("child")
  ]),
  "a mount in a cgroup namespace shows its root": within("pids", [], [
    fork(CLONE.NEWNS, [
      ...write(at("pids", "/cgroup.procs"), "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      mkdir("c"),
      line("mount", { source: "cgroup", target: "c", type: "cgroup", flags: 0, data: "pids" }),
      open("c/pids.max", O.RDONLY),
      open("c/release_agent", O.RDONLY)
    ])
  ])
}
