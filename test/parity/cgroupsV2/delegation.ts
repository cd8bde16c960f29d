/** Groups that belong to a user, and what its processes may do there. */
import { O } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  become,
  chmod,
  chown,
  end,
  fork,
  line,
  mkdir,
  open,
  rmdir,
  see,
  sleeper,
  stat,
  write
} from "../../support/vocabulary.ts"
import { base, put, root, set, whereIs, within } from "./lines.ts"

const nobody = 54321

export const delegation: Readonly<Record<string, Scenario>> = {
  "somebody without rights makes and moves nothing": within([], [
    fork(0, [
      ...become(nobody),
      mkdir(`${base}/a`),
      open(`${base}/cgroup.procs`, O.WRONLY),
      open(`${base}/cgroup.procs`, O.RDONLY),
      open(`${base}/cgroup.kill`, O.WRONLY),
      rmdir(base)
    ])
  ]),
  "into a delegated group only with rights on the common ancestor": within([], [
    chown(base, nobody, nobody),
    chown(`${base}/cgroup.procs`, nobody, nobody),
    fork(0, [...become(nobody), ...set("/cgroup.procs", "0")])
  ]),
  "within a delegated group": within([], [
    chown(base, nobody, nobody),
    chown(`${base}/cgroup.procs`, nobody, nobody),
    fork(0, [
      ...set("/cgroup.procs", "0"),
      ...become(nobody),
      mkdir(`${base}/a`),
      stat(`${base}/a/cgroup.procs`, ["uid", "gid", "mode"]),
      ...set("/a/cgroup.procs", "0"),
      ...whereIs("self"),
      ...set("/cgroup.procs", "0"),
      ...write(`${root}/cgroup.procs`, "0"),
      open(`${base}/cgroup.freeze`, O.WRONLY),
      ...set("/a/cgroup.freeze", "0")
    ]),
    rmdir(`${base}/a`)
  ]),
  "between two delegated groups": within(["/a", "/b"], [
    chown(`${base}/a/cgroup.procs`, nobody, nobody),
    chown(`${base}/b/cgroup.procs`, nobody, nobody),
    fork(0, [
      ...set("/a/cgroup.procs", "0"),
      ...become(nobody),
      ...set("/b/cgroup.procs", "0"),
      ...whereIs("self")
    ]),
    chmod(`${base}/cgroup.procs`, 0o666),
    fork(0, [
      ...set("/a/cgroup.procs", "0"),
      ...become(nobody),
      ...set("/b/cgroup.procs", "0"),
      ...whereIs("self")
    ])
  ]),
  "who opened the file counts, not who writes": within([], [
    open(`${base}/cgroup.procs`, O.WRONLY, "procs"),
    fork(0, [...become(nobody), line("write", { fd: "$procs", data: "0\n" }, see), ...whereIs("self")]),
    line("close", { fd: "$procs" })
  ]),
  "others' processes are moved with rights on the groups alone": within(["/a", "/b"], [
    ...["", "/a", "/b"].map((below) => chown(`${base}${below}/cgroup.procs`, nobody, nobody)),
    ...sleeper("child"),
    ...put("/a/cgroup.procs", "child"),
    fork(0, [...become(nobody), ...put("/b/cgroup.procs", "child")]),
    ...whereIs("$child"),
    ...end("child")
  ])
}
