/** Who may look into whom (ptrace(2), "Ptrace access mode checking"). */
import { CLONE, O, PR } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { fork, gate, gids, line, open, openGate, pass, prctl, see, start, uids } from "../../support/vocabulary.ts"
import { numbered, pidfd } from "./lines.ts"

/** Another process of user 1000, dumpable or not; then lines of a process that looks at it. */
const beside = (prepare: Scenario, lines: Scenario): Scenario =>
  numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    gate("ready"),
    gate("never"),
    open("/proc/self/ns/uts", O.RDONLY, "held"),
    start("other", 0, [...prepare, openGate("ready"), pass("never")]),
    pass("ready"),
    pidfd("$other", "fd"),
    ...lines
  ])

const asUser = (id: number): Scenario => [gids(id), line("setgroups", { groups: [] }), uids(id)]

const looks: Scenario = [
  line("readlinkat", { dirfd: cwd, path: "/proc/$other/cwd" }, see),
  line("readlinkat", { dirfd: cwd, path: "/proc/$other/root" }, see),
  open("/proc/$other/ns/uts", O.RDONLY),
  open("/proc/$other/root/proc", O.RDONLY | O.DIRECTORY),
  open("/proc/$other/fd", O.RDONLY | O.DIRECTORY),
  open("/proc/$other/environ", O.RDONLY),
  open("/proc/$other/status", O.RDONLY),
  line("pidfd_getfd", { pidfd: "$fd", targetfd: "$held", flags: 0 }),
  line("setns", { fd: "$fd", nstype: CLONE.NEWUTS })
]

export const seeing: Readonly<Record<string, Scenario>> = {
  "root looks into anybody": beside([...asUser(1000)], looks),
  "a user looks into its own dumpable process": beside([...asUser(1000), prctl(PR.SET_DUMPABLE, 1)], [
    fork(0, [...asUser(1000), ...looks])
  ]),
  "a user does not look into its own undumpable process": beside(asUser(1000), [fork(0, [...asUser(1000), ...looks])]),
  "a user does not look into another's process": beside([...asUser(1000), prctl(PR.SET_DUMPABLE, 1)], [
    fork(0, [...asUser(1001), ...looks])
  ]),
  "a user does not look into a process with more capabilities": beside([
    prctl(PR.SET_KEEPCAPS, 1),
    ...asUser(1000),
    line("capset", { effective: 0x20n, permitted: 0x20n, inheritable: 0n }),
    prctl(PR.SET_DUMPABLE, 1)
  ], [fork(0, [...asUser(1000), ...looks])]),
  "CAP_SYS_PTRACE looks into anybody": beside(asUser(1000), [
    fork(0, [
      line("capset", { effective: 1n << 19n, permitted: 1n << 19n, inheritable: 0n }),
      ...looks
    ])
  ]),
  "root without capabilities looks into root's processes only without more capabilities": beside([], [
    fork(0, [line("capset", { effective: 0n, permitted: 0n, inheritable: 0n }), ...looks])
  ]),
  "a saved uid that differs hides a process": beside([
    line("setgroups", { groups: [] }),
    gids(1000),
    line("setresuid", { ruid: 1000, euid: 1000, suid: 1001 }),
    prctl(PR.SET_DUMPABLE, 1)
  ], [fork(0, [...asUser(1000), ...looks])]),
  "the effective uid looks into /proc, the real one through pidfds": beside([
    ...asUser(1000),
    prctl(PR.SET_DUMPABLE, 1)
  ], [
    fork(0, [
      line("setresgid", { rgid: -1, egid: 1000, sgid: 1000 }),
      line("setresuid", { ruid: 0, euid: 1000, suid: 1000 }),
      ...looks
    ]),
    fork(0, [
      line("setresgid", { rgid: 1000, egid: 7, sgid: 7 }),
      line("setresuid", { ruid: 1000, euid: 7, suid: 7 }),
      ...looks
    ])
  ])
}
