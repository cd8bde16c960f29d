/** Programs with file capabilities. */
import { CLONE, MS, O } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { ending, file, sleeping } from "../../support/programs.ts"
import { capset, drop, fork, gids, line, mkdir, mount, open, set, uids, write } from "../../support/vocabulary.ts"
import { becomes, capableUser, executed, execve, nnp, status, tryExec, user } from "./lines.ts"

/** The value of `security.capability`: version 2, or 3 with the root of a user namespace. */
const fileCaps = (effective: boolean, permitted: bigint, inheritable = 0n, rootid?: number): Uint8Array => {
  const out = new Uint8Array(rootid === undefined ? 20 : 24)
  const view = new DataView(out.buffer)
  view.setUint32(0, (rootid === undefined ? 0x02000000 : 0x03000000) | (effective ? 1 : 0), true)
  view.setUint32(4, Number(permitted & 0xffffffffn), true)
  view.setUint32(8, Number(inheritable & 0xffffffffn), true)
  view.setUint32(12, Number(permitted >> 32n), true)
  view.setUint32(16, Number(inheritable >> 32n), true)
  if (rootid !== undefined) view.setUint32(20, rootid, true)
  return out
}

const setCaps = (path: string, value: Uint8Array) => line("setxattr", { path, name: "security.capability", value })

export const caps: Readonly<Record<string, Scenario>> = {
  "file capabilities for a user": becomes(user(1000), 0o755, [0, 0], [setCaps("p", fileCaps(true, set(5, 10)))]),
  "file capabilities that are not effective": becomes(user(1000), 0o755, [0, 0], [
    setCaps("p", fileCaps(false, set(5, 10)))
  ]),
  "file capabilities that are inheritable": becomes(capableUser(1000, set(5, 6), set(5, 6)), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, 0n, set(5, 10)))
  ]),
  "file capabilities beyond the bounding set, effective: EPERM": [
    ...file("p", ending),
    setCaps("p", fileCaps(true, set(5, 10))),
    fork(0, [drop(5), ...user(1000), execve("p")])
  ],
  "file capabilities beyond the bounding set, not effective": becomes([drop(5), ...user(1000)], 0o755, [0, 0], [
    setCaps("p", fileCaps(false, set(5, 10)))
  ]),
  "file capabilities end ambient ones": becomes(capableUser(1000, set(5, 6), set(5, 6), [6]), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5)))
  ]),
  "file capabilities under no_new_privs": becomes([...user(1000), nnp], 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5)))
  ]),
  "file capabilities for root": becomes([drop(21)], 0o755, [0, 0], [setCaps("p", fileCaps(true, set(5)))]),
  "file capabilities that are empty, for root": becomes([], 0o755, [0, 0], [setCaps("p", fileCaps(false, 0n))]),
  "file capabilities and set-user-id root, for a user": becomes(user(1000), 0o4755, [0, 0], [
    setCaps("p", fileCaps(true, set(5)))
  ]),
  "file capabilities on a nosuid mount": executed(
    [
      mkdir("m"),
      mount("tmpfs", "m", "tmpfs", MS.NOSUID),
      ...file("m/p", sleeping),
      setCaps("m/p", fileCaps(true, set(5)))
    ],
    user(1000),
    status,
    execve("m/p")
  ),
  "file capabilities of a script are nothing": executed(
    [
      ...file("p", sleeping),
      ...file("s", "#!/mnt/p\n"),
      setCaps("s", fileCaps(true, set(5)))
    ],
    user(1000),
    status,
    execve("s")
  ),
  "file capabilities of root of another namespace": becomes(user(1000), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5), 0n, 1000))
  ]),
  "file capabilities of root itself, by name": becomes(user(1000), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5), 0n, 0))
  ]),
  "file capabilities must be well-formed": [
    ...file("p", sleeping),
    setCaps("p", new Uint8Array()),
    setCaps("p", Uint8Array.of(0, 0, 0, 2)),
    setCaps("p", fileCaps(true, 0n).slice(0, 19)),
    setCaps("p", Uint8Array.from([...fileCaps(true, 0n), 0, 0, 0, 0])),
    setCaps("p", fileCaps(true, 0n, 0n, 5).slice(0, 20)),
    setCaps("missing", fileCaps(true, 0n)),
    tryExec("p")
  ],
  "file capabilities are given with CAP_SETFCAP": [
    ...file("p", sleeping),
    fork(0, [capset(set(31), set(31), 0n), setCaps("p", fileCaps(true, set(5)))]),
    fork(0, [capset(set(21), set(21), 0n), setCaps("p", fileCaps(true, set(5)))]),
    fork(0, [capset(0n, 0n, 0n), setCaps("p", new Uint8Array(3))])
  ],
  "file capabilities go when the file changes hands": becomes(user(1000), 0o755, [0, 0], [
    setCaps("p", fileCaps(true, set(5))),
    line("fchownat", { dirfd: cwd, path: "p", uid: 1000, gid: -1, flags: 0 })
  ]),
  "file capabilities and set-user-id go when the file is written": [
    ...file("p", sleeping, 0o6755),
    setCaps("p", fileCaps(true, set(5))),
    line("fchmodat", { dirfd: cwd, path: "p", mode: 0o6757 }),
    fork(0, [
      ...user(1000),
      open("p", O.WRONLY, "writer"),
      line("write", { fd: "$writer", data: sleeping })
    ]),
    line("statx", { dirfd: cwd, path: "p", flags: 0, mask: 0x7ff }, { see: "mode" }),
    ...executed([], user(1000), status)
  ],
  "set-user-id goes with a truncation by somebody else": [
    ...file("p", sleeping, 0o6777),
    fork(0, [...user(1000), open("p", O.WRONLY | O.TRUNC)]),
    line("statx", { dirfd: cwd, path: "p", flags: 0, mask: 0x7ff }, { see: ["mode", "size"] })
  ],
  "set-user-id stays when root writes": [
    ...file("p", sleeping, 0o6755),
    open("p", O.WRONLY, "writer"),
    line("write", { fd: "$writer", data: sleeping }),
    line("statx", { dirfd: cwd, path: "p", flags: 0, mask: 0x7ff }, { see: "mode" })
  ],
  "file capabilities given in a user namespace count in it": executed(
    [...file("p", sleeping, 0o755, [1000, 1000])],
    [
      line("unshare", { flags: CLONE.NEWUSER }),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 1000 1\n1 1001 5\n"),
      ...write("/proc/self/gid_map", "0 1000 1\n1 1001 5\n"),
      gids(0),
      uids(0),
      setCaps("p", fileCaps(true, set(5))),
      setCaps("p", fileCaps(true, set(5), 0n, 4000)),
      gids(1),
      uids(1)
    ],
    [...status]
  ),
  "file capabilities given in a user namespace do not count outside": [
    ...file("p", sleeping, 0o755, [1000, 1000]),
    fork(0, [
      line("unshare", { flags: CLONE.NEWUSER }),
      ...write("/proc/self/setgroups", "deny"),
      ...write("/proc/self/uid_map", "0 1000 1\n"),
      ...write("/proc/self/gid_map", "0 1000 1\n"),
      setCaps("p", fileCaps(true, set(5)))
    ]),
    ...executed([], user(1000), status)
  ]
}
