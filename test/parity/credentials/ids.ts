/** User and group ids. */
import { O } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { capset, fork, gids, line, lookAt, mkdir, open, see, set, touch, uids } from "../../support/vocabulary.ts"
import { CAP, setgid, setuid, status } from "./lines.ts"

const uid = line("getresuid", {}, see)
const gid = line("getresgid", {}, see)

export const ids: Readonly<Record<string, Scenario>> = {
  "-1 leaves an id": [setuid(-1, -1, -1), uid, setuid(5, -1, -1), uid, setuid(-1, -1, 7), uid, setgid(-1, -1, -1), gid],
  "setresuid with CAP_SETUID takes any id": [setuid(1, 2, 3), uid],
  "setresuid without CAP_SETUID takes what the process has": [
    setuid(1, 2, 3),
    setuid(3, 1, 2),
    uid,
    setuid(4, -1, -1),
    setuid(-1, 4, -1),
    setuid(-1, -1, 4),
    setuid(2, 2, 2),
    uid,
    setuid(1, -1, -1)
  ],
  "setresgid without CAP_SETGID takes what the process has": [
    setgid(1, 2, 3),
    uids(1000),
    setgid(3, 1, 2),
    gid,
    setgid(4, -1, -1),
    setgid(-1, -1, 0),
    setgid(2, 2, 2),
    setgid(-1, 1, -1)
  ],
  "root may come back while the saved id is root's": [
    setuid(1000, 1000, 0),
    setuid(-1, 0, -1),
    uid,
    setuid(1000, 1000, 1000),
    setuid(-1, 0, -1)
  ],
  "the greatest number is no id": [
    setgid(0xfffffffe, 0, 0),
    gid,
    line("setgroups", { groups: [-2, 5] }),
    line("getgroups", {}, see),
    line("setgroups", { groups: [5, -1] }),
    touch("f"),
    line("fchownat", { dirfd: cwd, path: "f", uid: -2, gid: -1, flags: 0 }),
    line("statx", { dirfd: cwd, path: "f", flags: 0, mask: 0x7ff }, { see: ["uid", "gid"] }),
    setuid(-2, -2, -2),
    uid
  ],
  "the file system id follows the effective one": [
    mkdir("d", 0o777),
    line("fchmodat", { dirfd: cwd, path: "d", mode: 0o777 }),
    setgid(5, 6, 7),
    setuid(1000, 1001, 1002),
    ...lookAt("/proc/self/status", /^[UG]id:/),
    touch("d/f"),
    line("statx", { dirfd: cwd, path: "d/f", flags: 0, mask: 0x7ff }, { see: ["uid", "gid"] }),
    setuid(-1, 1000, -1),
    ...lookAt("/proc/self/status", /^[UG]id:/)
  ],
  "CAP_SETUID alone is enough": [
    capset(set(CAP.SETUID), set(CAP.SETUID), 0n),
    setuid(1, 2, 3),
    setgid(1, 2, 3)
  ],
  "CAP_SETUID must be effective": [capset(0n, set(CAP.SETUID), 0n), setuid(1, 1, 1), setuid(0, 0, 0)],
  "CAP_SETGID is for groups": [
    capset(set(CAP.SETGID), set(CAP.SETGID), 0n),
    line("setgroups", { groups: [9, 8] }),
    setgid(1, 2, 3),
    setuid(1, 1, 1),
    capset(0n, 0n, 0n),
    line("setgroups", { groups: [] }),
    line("getgroups", {}, see)
  ],
  "groups are kept sorted, also doubles": [
    line("setgroups", { groups: [3, 1, 2, 3, 0] }),
    line("getgroups", {}, see),
    line("setgroups", { groups: [] }),
    line("getgroups", {}, see)
  ],
  "groups have a limit": [
    line("setgroups", { groups: Array.from({ length: 65536 }, () => 5) }),
    line("setgroups", { groups: Array.from({ length: 65537 }, () => 5) }),
    line("setgroups", { groups: [] })
  ],
  "a supplementary group opens its files": [
    touch("f", 0o640),
    line("fchownat", { dirfd: cwd, path: "f", uid: 0, gid: 50, flags: 0 }),
    line("setgroups", { groups: [50] }),
    uids(1000),
    open("f", O.RDONLY),
    open("f", O.WRONLY)
  ],
  "the owner's permissions hold for the owner, even the lesser": [
    touch("f", 0o077),
    line("fchmodat", { dirfd: cwd, path: "f", mode: 0o077 }),
    line("fchownat", { dirfd: cwd, path: "f", uid: 1000, gid: 50, flags: 0 }),
    fork(0, [gids(50), uids(1000), open("f", O.RDONLY)]),
    fork(0, [gids(50), uids(1001), open("f", O.RDONLY)]),
    fork(0, [line("fchmodat", { dirfd: cwd, path: "f", mode: 0o707 }), gids(50), uids(1001), open("f", O.RDONLY)])
  ],
  "ids of an ordinary user": [gids(1000), line("setgroups", { groups: [7, 5] }), uids(1000), ...status]
}
