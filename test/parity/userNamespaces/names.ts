/** Names of ids under a map, and ids without a name. */
import { CLONE, O } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import {
  chown,
  fork,
  gids,
  line,
  lookAt,
  mkdir,
  mount,
  open,
  readFile,
  touch,
  uids,
  write
} from "../../support/vocabulary.ts"
import { gid, groups, mapped, maps, newUser, setgroups, uid, unshare } from "./lines.ts"

const owner = (path: string) => line("statx", { dirfd: cwd, path, flags: 0, mask: 0x7ff }, { see: ["uid", "gid"] })

export const names: Readonly<Record<string, Scenario>> = {
  "without a map everybody is nobody": [
    touch("f"),
    chown("f", 5, 5),
    setgroups(5, 6),
    newUser,
    uid,
    gid,
    groups,
    owner("f"),
    owner("/mnt"),
    ...lookAt("/proc/self/status", /^(Uid|Gid|Groups):/),
    uids(0),
    uids(65534),
    gids(0),
    setgroups(),
    chown("f", 0, 0),
    chown("f", -1, -1)
  ],
  "who has no name still owns files": [
    touch("f", 0o600),
    mkdir("d", 0o700),
    newUser,
    open("f", O.RDWR),
    touch("d/g"),
    owner("d/g"),
    line("fchmodat", { dirfd: cwd, path: "f", mode: 0o640 })
  ],
  "owners of files under a map": [
    ...[0, 999, 1000, 1005, 1010].flatMap((id) => [touch(`${id}`), chown(`${id}`, id, id)]),
    newUser,
    ...maps("0 0 1\n1 1000 10\n"),
    ...[0, 999, 1000, 1005, 1010].map((id) => owner(`${id}`)),
    chown("0", 5, 5),
    owner("0"),
    chown("999", 0, 0),
    chown("0", 11, 0),
    chown("0", 10, 0),
    chown("0", 0, 11),
    line("fchmodat", { dirfd: cwd, path: "999", mode: 0o777 }),
    line("fchmodat", { dirfd: cwd, path: "1005", mode: 0o777 })
  ],
  "capabilities reach files whose owners have names": [
    mkdir("d", 0o711),
    touch("d/f", 0o600),
    touch("d/g", 0o600),
    touch("d/h", 0o600),
    chown("d/f", 5, 5),
    chown("d/g", 1000, 5),
    chown("d/h", 5, 1000),
    newUser,
    ...maps("0 5 1\n1 6 1\n"),
    uids(1),
    gids(1),
    fork(0, [open("d/f", O.RDONLY)]),
    fork(0, [open("d/g", O.RDONLY)]),
    fork(0, [open("d/h", O.RDONLY)])
  ],
  "ids without a name can't be taken": [
    newUser,
    ...write("/proc/self/uid_map", "0 0 1\n5 1000 5\n"),
    ...write("/proc/self/gid_map", "0 0 1\n5 1000 5\n"),
    uids(4),
    uids(5),
    uids(9),
    uids(10),
    line("setresgid", { rgid: 10, egid: -1, sgid: -1 }),
    setgroups(5, 10),
    setgroups(5, 6),
    groups
  ],
  "ids of one namespace in another": [
    ...mapped("0 5000 10\n", "0 5000 10\n", [uids(3), gids(4), touch("/mnt/inside"), uid], [
      ...lookAt("/proc/$child/status", /^(Uid|Gid):/),
      fork(0, [newUser, ...maps("0 5000 4\n"), ...lookAt("/proc/$child/status", /^(Uid|Gid):/)])
    ])
  ],
  "maps as others read them": [
    ...mapped("0 5000 10\n20 100 1\n", "0 0 1\n", [...readFile("/proc/self/uid_map")], [
      ...readFile("/proc/$child/uid_map"),
      fork(0, [newUser, ...maps("0 5000 5\n"), ...readFile("/proc/$child/uid_map")]),
      fork(0, [newUser, ...maps("0 0 1\n50 5005 5\n"), ...readFile("/proc/$child/uid_map")])
    ])
  ],
  "two levels of maps": [
    newUser,
    ...write("/proc/self/uid_map", "0 1000 20\n"),
    ...write("/proc/self/gid_map", "0 1000 20\n"),
    uids(0),
    gids(0),
    newUser,
    ...write("/proc/self/uid_map", "0 5 5\n"),
    ...write("/proc/self/gid_map", "0 5 5\n"),
    ...readFile("/proc/self/uid_map"),
    uid,
    uids(0),
    gids(0),
    touch("/mnt/f"),
    uid
  ],
  "a mount of a namespace gives no files to those without a name": [
    ...mapped(
      "0 5000 10\n",
      "0 5000 10\n",
      [
        uids(0),
        gids(0),
        mount("tmpfs", "/mnt", "tmpfs", 0),
        touch("/mnt/f"),
        owner("/mnt/f"),
        owner("/mnt"),
        line("mknodat", { dirfd: cwd, path: "/mnt/null", mode: 0o20666, major: 1, minor: 3 })
      ],
      [],
      CLONE.NEWNS
    )
  ],
  "a mount of a namespace without maps": [
    unshare(CLONE.NEWUSER | CLONE.NEWNS),
    mount("tmpfs", "/mnt", "tmpfs", 0),
    owner("/mnt"),
    touch("/mnt/f"),
    mkdir("/mnt/d")
  ]
}
