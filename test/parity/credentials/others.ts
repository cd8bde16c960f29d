/** no_new_privs, dumpable, access(2), and capabilities over files. */
import { AT_FACCESSAT as AT, CLONE, O, PR } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
import { capset, exit, fork, gids, line, mkdir, open, prctl, set, touch, uids } from "../../support/vocabulary.ts"
import { CAP, NO_FIXUP, securebits, setuid, status } from "./lines.ts"

export const others: Readonly<Record<string, Scenario>> = {
  "no_new_privs is for ever, and for children": [
    prctl(PR.GET_NO_NEW_PRIVS),
    prctl(PR.SET_NO_NEW_PRIVS, 1),
    prctl(PR.SET_NO_NEW_PRIVS, 0),
    prctl(PR.SET_NO_NEW_PRIVS, 1),
    fork(0, [prctl(PR.GET_NO_NEW_PRIVS)]),
    line("prctl", { option: PR.GET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 0 }),
    line("prctl", { option: PR.SET_NO_NEW_PRIVS, arg2: 1, arg3: 0, arg4: 0, arg5: 1 }),
    ...status
  ],
  "no_new_privs does not hinder system calls": [prctl(PR.SET_NO_NEW_PRIVS, 1), uids(1000), fork(0, [exit(3)])],
  "dumpable is 0 or 1": [
    prctl(PR.SET_DUMPABLE, 2),
    prctl(PR.SET_DUMPABLE, 3),
    prctl(PR.SET_DUMPABLE, -1),
    prctl(PR.SET_DUMPABLE, 0),
    prctl(PR.GET_DUMPABLE)
  ],
  "capabilities of another for capabilities' calls": [
    capset(set(CAP.CHROOT), set(CAP.CHROOT), 0n),
    line("chroot", { path: "/" }),
    line("sethostname", { name: "x" }),
    line("unshare", { flags: CLONE.NEWUTS }),
    capset(0n, 0n, 0n),
    line("chroot", { path: "/" }),
    line("unshare", { flags: CLONE.NEWUSER })
  ],
  "access(2) asks for the real ids with the capabilities that they would have": [
    touch("f", 0o600),
    line("fchownat", { dirfd: cwd, path: "f", uid: 1000, gid: 1000, flags: 0 }),
    ...[
      [setuid(0, 1001, 0)],
      [setuid(1001, 0, 0)],
      [setuid(1000, 0, 0)],
      [capset(0n, set(1), 0n)],
      [capset(0n, 0n, 0n)],
      [securebits(NO_FIXUP), setuid(1001, 1001, 1001)],
      [securebits(NO_FIXUP), capset(0n, set(1), 0n)]
    ].map((lines) =>
      fork(0, [
        ...lines,
        line("faccessat2", { dirfd: cwd, path: "f", mode: 6, flags: 0 }),
        line("faccessat2", { dirfd: cwd, path: "f", mode: 6, flags: AT.EACCESS })
      ])
    )
  ],
  "access(2) asks for the real ids on the way too": [
    mkdir("d", 0o700),
    touch("d/f", 0o666),
    fork(0, [
      setuid(1000, 0, 0),
      line("faccessat2", { dirfd: cwd, path: "d/f", mode: 4, flags: 0 }),
      line("faccessat2", { dirfd: cwd, path: "d/f", mode: 4, flags: AT.EACCESS })
    ]),
    fork(0, [
      setuid(0, 1000, 0),
      line("faccessat2", { dirfd: cwd, path: "d/f", mode: 4, flags: 0 }),
      line("faccessat2", { dirfd: cwd, path: "d/f", mode: 4, flags: AT.EACCESS })
    ])
  ],
  "a chown that takes set-user-id away is a chmod as well": [
    touch("f"),
    ...[0o4755, 0o2755, 0o2745, 0o1755, 0o755].flatMap((mode) => [
      line("fchownat", { dirfd: cwd, path: "f", uid: 1000, gid: 1000, flags: 0 }),
      line("fchmodat", { dirfd: cwd, path: "f", mode }),
      fork(0, [capset(set(0), set(0), 0n), line("fchownat", { dirfd: cwd, path: "f", uid: 5, gid: 5, flags: 0 })]),
      fork(0, [uids(1001), line("fchownat", { dirfd: cwd, path: "f", uid: -1, gid: -1, flags: 0 })]),
      fork(0, [gids(7), uids(1000), line("fchownat", { dirfd: cwd, path: "f", uid: -1, gid: -1, flags: 0 })]),
      line("statx", { dirfd: cwd, path: "f", flags: 0, mask: 0x7ff }, { see: ["mode", "uid", "gid"] })
    ])
  ],
  "root without capabilities is nobody": [
    touch("f", 0o600),
    line("fchownat", { dirfd: cwd, path: "f", uid: 1000, gid: 1000, flags: 0 }),
    capset(0n, 0n, 0n),
    open("f", O.RDONLY),
    line("fchownat", { dirfd: cwd, path: "f", uid: 0, gid: 0, flags: 0 }),
    line("fchmodat", { dirfd: cwd, path: "f", mode: 0o666 }),
    uids(1),
    uids(0)
  ],
  "CAP_DAC_READ_SEARCH reads and searches, CAP_DAC_OVERRIDE does all": [
    mkdir("d", 0o700),
    touch("d/f", 0o600),
    line("fchownat", { dirfd: cwd, path: "d/f", uid: 1000, gid: 1000, flags: 0 }),
    line("fchownat", { dirfd: cwd, path: "d", uid: 1000, gid: 1000, flags: 0 }),
    fork(0, [capset(set(2), set(2), 0n), open("d/f", O.RDONLY), open("d/f", O.WRONLY), touch("d/g")]),
    fork(0, [capset(set(1), set(1), 0n), open("d/f", O.RDONLY), open("d/f", O.WRONLY), touch("d/g")])
  ]
}
