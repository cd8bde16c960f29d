/** Whether a process is dumpable, and what follows for its files. */
import { CLONE, O, PR } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { exit, fork, gids, line, open, prctl, see, start, uids } from "../../support/vocabulary.ts"
import { ended, numbered } from "./lines.ts"

const owner = (path: string) => line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see: ["uid", "gid"] })

export const dumpable: Readonly<Record<string, Scenario>> = {
  "dumpable is lost with the effective uid": [
    prctl(PR.SET_DUMPABLE, 1),
    line("setresuid", { ruid: 1000, euid: -1, suid: 1000 }),
    prctl(PR.GET_DUMPABLE),
    line("setresuid", { ruid: -1, euid: 1000, suid: -1 }),
    prctl(PR.GET_DUMPABLE)
  ],
  "dumpable is lost with the effective gid, not with the others": [
    prctl(PR.SET_DUMPABLE, 1),
    line("setresgid", { rgid: 5, egid: -1, sgid: 6 }),
    prctl(PR.GET_DUMPABLE),
    line("setgroups", { groups: [7] }),
    prctl(PR.GET_DUMPABLE),
    line("setresgid", { rgid: -1, egid: 5, sgid: -1 }),
    prctl(PR.GET_DUMPABLE)
  ],
  "dumpable survives dropped capabilities": [
    prctl(PR.SET_DUMPABLE, 1),
    line("capset", { effective: 0n, permitted: 0x20n, inheritable: 0n }),
    prctl(PR.GET_DUMPABLE),
    line("capset", { effective: 0x20n, permitted: 0x20n, inheritable: 0n }),
    prctl(PR.GET_DUMPABLE)
  ],
  "dumpable and a new user namespace": [
    prctl(PR.SET_DUMPABLE, 1),
    line("unshare", { flags: CLONE.NEWUSER }),
    prctl(PR.GET_DUMPABLE)
  ],
  "dumpable is copied by fork": [
    prctl(PR.SET_DUMPABLE, 0),
    fork(0, [prctl(PR.GET_DUMPABLE), prctl(PR.SET_DUMPABLE, 1), prctl(PR.GET_DUMPABLE)]),
    prctl(PR.GET_DUMPABLE)
  ],
  "files of /proc/self of a process that is not dumpable are root's": [
    gids(1001),
    uids(1000),
    owner("/proc/self"),
    owner("/proc/self/status"),
    owner("/proc/self/fd"),
    owner("/proc/self/ns"),
    owner("/proc/self/task"),
    owner("/proc/self/uid_map"),
    prctl(PR.SET_DUMPABLE, 1),
    owner("/proc/self"),
    owner("/proc/self/status"),
    owner("/proc/self/fd"),
    owner("/proc/self/ns"),
    owner("/proc/self/task"),
    owner("/proc/self/uid_map")
  ],
  "files of /proc of a zombie are root's": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    start("child", 0, [gids(1000), uids(1000), prctl(PR.SET_DUMPABLE, 1), exit(0)]),
    ended("child"),
    owner("/proc/$child"),
    owner("/proc/$child/status")
  ]),
  "a process that is not dumpable looks into itself": numbered([
    line("mount", { source: "proc", target: "/proc", type: "proc", flags: 0, data: null }),
    gids(1000),
    uids(1000),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/cwd" }, see),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/ns/uts" }),
    open("/proc/self/ns/uts", O.RDONLY),
    open("/proc/self/fd", O.RDONLY | O.DIRECTORY),
    open("/proc/self/environ", O.RDONLY),
    open("/proc/self/oom_score_adj", O.WRONLY),
    open("/proc/self/uid_map", O.WRONLY),
    open("/proc/self/status", O.RDONLY)
  ])
}
