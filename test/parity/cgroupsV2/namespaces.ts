/** What a cgroup namespace shows of the hierarchy. */
import { CLONE, O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, line, mkdir, open, readFile, write } from "../../support/vocabulary.ts"
import { root, set, whereIs, within } from "./lines.ts"

export const namespaces: Readonly<Record<string, Scenario>> = {
  "a cgroup namespace makes a process's group its root": within(["/a", "/a/b"], [
    fork(0, [
      ...set("/a/cgroup.procs", "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      ...whereIs("self"),
      ...set("/a/b/cgroup.procs", "0"),
      ...whereIs("self"),
      ...set("/cgroup.procs", "0"),
      ...whereIs("self"),
      ...write(`${root}/cgroup.procs`, "0"),
      ...whereIs("self")
    ])
  ]),
  "a sibling of the root is behind it": within(["/a", "/b"], [
    fork(0, [
      ...set("/a/cgroup.procs", "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      ...set("/b/cgroup.procs", "0"),
      ...whereIs("self")
    ])
  ]),
  "a mount in a cgroup namespace shows its root": within(["/a"], [
    fork(CLONE.NEWNS, [
      ...set("/cgroup.procs", "0"),
      line("unshare", { flags: CLONE.NEWCGROUP }),
      mkdir("c"),
      line("mount", { source: "cgroup2", target: "c", type: "cgroup2", flags: 0, data: null }),
      open("c/a/cgroup.procs", O.RDONLY),
      ...readFile("c/cgroup.type"),
      ...write("c/a/cgroup.procs", "0"),
      ...whereIs("self")
    ])
  ])
}
