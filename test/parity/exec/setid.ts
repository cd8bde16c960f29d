/** Programs that are set-user-id or set-group-id. */
import { AT, CLONE, MS, O, PR, RLIMIT } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { file, sleeping } from "../../support/programs.ts"
import {
  drop,
  fork,
  gate,
  join,
  line,
  mkdir,
  mount,
  open,
  pass,
  prctl,
  readFile,
  see,
  set,
  start,
  write
} from "../../support/vocabulary.ts"
import { becomes, capableUser, dumpable, execAt, executed, execve, nnp, proc, status, user } from "./lines.ts"

export const setid: Readonly<Record<string, Scenario>> = {
  "set-user-id root for a user": becomes(user(1000), 0o4755),
  "set-user-id of a user for another": becomes(user(1000), 0o4755, [1001, 1001]),
  "set-user-id of the user itself": becomes(user(1000), 0o4755, [1000, 1000]),
  "set-user-id of a user for root": becomes([], 0o4755, [1001, 1001]),
  "set-group-id": becomes(user(1000), 0o2755, [1001, 1001]),
  "set-group-id without execute permission for the group": becomes(user(1000), 0o2745, [1001, 1001]),
  "set-group-id of one's supplementary group": becomes(user(1000, [1001]), 0o2755, [1001, 1001]),
  "both": becomes(user(1000), 0o6755, [1001, 1002]),
  "set-user-id ends ambient capabilities": becomes(capableUser(1000, set(5, 6), set(5), [5]), 0o4755, [1001, 1001]),
  "set-user-id of oneself does not end ambient capabilities": becomes(
    capableUser(1000, set(5, 6), set(5), [5]),
    0o4755,
    [1000, 1000]
  ),
  "set-group-id ends ambient capabilities": becomes(capableUser(1000, set(5, 6), set(5), [5]), 0o2755, [1001, 1001]),
  "set-group-id of one's own group does not": becomes(
    [...capableUser(1000, set(5, 6), set(5), [5])],
    0o2755,
    [1001, 1000]
  ),
  "set-user-id under no_new_privs": becomes([...user(1000), nnp], 0o6755),
  "set-user-id without privilege for root": becomes([
    prctl(PR.SET_SECUREBITS, 1),
    prctl(PR.SET_KEEPCAPS, 1),
    ...user(1000)
  ], 0o4755),
  "set-user-id root where capabilities are left": becomes(capableUser(1000, set(5, 8)), 0o4755),
  "set-user-id root with a smaller bounding set": becomes([drop(21), ...user(1000)], 0o4755),
  "set-user-id on a nosuid mount": executed(
    [mkdir("m"), mount("tmpfs", "m", "tmpfs", MS.NOSUID), ...file("m/p", sleeping, 0o6755)],
    user(1000),
    [...status, dumpable],
    execve("m/p")
  ),
  "set-user-id after the mount became nosuid": executed(
    [
      mkdir("m"),
      mount("tmpfs", "m", "tmpfs", 0),
      ...file("m/p", sleeping, 0o6755),
      mount(null, "m", null, MS.REMOUNT | MS.BIND | MS.NOSUID)
    ],
    user(1000),
    [...status],
    execve("m/p")
  ),
  "set-user-id through a mount namespace that one has left": executed(
    file("p", sleeping, 0o4755),
    [open("p", O.PATH, "held"), line("unshare", { flags: CLONE.NEWNS }), ...user(1000)],
    status,
    execAt("$held", "", AT.EMPTY_PATH)
  ),
  "set-user-id with shared directories": [
    ...file("p", sleeping, 0o4755),
    fork(CLONE.NEWPID, [fork(0, [
      proc,
      gate("never"),
      start("child", 0, [...user(1000), start("other", CLONE.FS, [pass("never")]), execve("p")]),
      join("child"),
      ...readFile("/proc/$child/environ"),
      ...status
    ])])
  ],
  "set-user-id in a user namespace": executed(
    file("p", sleeping, 0o6755, [1000, 1000]),
    [
      line("unshare", { flags: CLONE.NEWUSER }),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 0 1\n1 1000 1\n"),
      ...write("/proc/self/gid_map", "0 0 1\n1 1000 1\n")
    ],
    [...status, dumpable]
  ),
  "set-user-id of an owner without a name in the user namespace": executed(
    file("p", sleeping, 0o6755, [1000, 1000]),
    [
      line("unshare", { flags: CLONE.NEWUSER }),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 0 1\n"),
      ...write("/proc/self/gid_map", "0 0 1\n")
    ],
    [...status, dumpable]
  ),
  "set-user-id clamps the stack limit": executed(
    file("p", sleeping, 0o4755),
    [line("prlimit64", { pid: 0, resource: RLIMIT.STACK, limit: { soft: 1n << 24n, hard: 1n << 25n } }), ...user(1000)],
    [line("prlimit64", { pid: "$child", resource: RLIMIT.STACK, limit: null }, see)]
  ),
  "an ordinary program keeps the stack limit": executed(
    file("p", sleeping),
    [line("prlimit64", { pid: 0, resource: RLIMIT.STACK, limit: { soft: 1n << 24n, hard: 1n << 25n } }), ...user(1000)],
    [line("prlimit64", { pid: "$child", resource: RLIMIT.STACK, limit: null }, see)]
  )
}
