/** Ids, groups, securebits, capability sets, and how changes of ids move capabilities. */
import { AT_FACCESSAT as AT, CLONE, O, PR } from "../../src/native/constants.ts"
import { cwd, type Scenario } from "../support/parity.ts"
import {
  caps,
  exit,
  fork,
  gate,
  gids,
  line,
  lookAt,
  mkdir,
  open,
  openGate,
  pass,
  prctl,
  see,
  start,
  touch,
  uids
} from "../support/vocabulary.ts"

const setuid = (ruid: number, euid: number, suid: number) => line("setresuid", { ruid, euid, suid })
const setgid = (rgid: number, egid: number, sgid: number) => line("setresgid", { rgid, egid, sgid })
const uid = line("getresuid", {}, see)
const gid = line("getresgid", {}, see)
const set = (...capabilities: ReadonlyArray<number>): bigint =>
  capabilities.reduce((bits, capability) => bits | 1n << BigInt(capability), 0n)
const capset = (effective: bigint, permitted: bigint, inheritable: bigint) =>
  line("capset", { effective, permitted, inheritable })
/** Ids, groups and capability sets, as /proc shows them. */
const status = lookAt("/proc/self/status", /^(Uid|Gid|Groups|Cap\w+|NoNewPrivs):/)

const CAP = { KILL: 5, SETGID: 6, SETUID: 7, SETPCAP: 8, NET_BIND: 10, CHROOT: 18, SYS_ADMIN: 21 } as const
const raise = (capability: number) => prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_RAISE, capability)
const lower = (capability: number) => prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_LOWER, capability)
const isAmbient = (capability: number) => prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_IS_SET, capability)
const clearAmbient = prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_CLEAR_ALL)
const drop = (capability: number) => prctl(PR.CAPBSET_DROP, capability)
const securebits = (bits: number) => prctl(PR.SET_SECUREBITS, bits)
const [NOROOT, NO_FIXUP, KEEP, NO_AMBIENT] = [1, 4, 16, 64] as const

const ids: Readonly<Record<string, Scenario>> = {
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

const moves: Readonly<Record<string, Scenario>> = {
  "leaving root drops permitted and effective": [setuid(1000, 1000, 1000), ...status],
  "the effective uid moves the effective set to and fro": [
    setuid(-1, 1000, -1),
    ...status,
    setuid(-1, 0, -1),
    ...status
  ],
  "a saved root uid keeps the permitted set": [
    setuid(1000, 1000, 0),
    caps,
    setuid(-1, -1, 1000),
    caps
  ],
  "the inheritable set stays when root is left": [capset(set(5), set(5, 6), set(5, 6)), uids(1000), ...status],
  "leaving root clears the ambient set, also with keepcaps": [
    capset(set(5, 7), set(5, 7), set(5)),
    raise(5),
    prctl(PR.SET_KEEPCAPS, 1),
    uids(1000),
    ...status
  ],
  "keepcaps keeps the permitted set, not the effective one": [
    prctl(PR.SET_KEEPCAPS, 1),
    uids(1000),
    ...status,
    capset(set(5), set(5), 0n),
    ...status
  ],
  "keepcaps is of no use once root is left": [uids(1000), prctl(PR.SET_KEEPCAPS, 1), caps, setuid(0, -1, -1)],
  "becoming root by the effective uid makes the permitted set effective": [
    setuid(1000, 1000, 0),
    prctl(PR.SET_KEEPCAPS, 0),
    capset(0n, set(CAP.SETUID, 5), 0n),
    setuid(-1, 0, -1),
    caps
  ],
  "a process without root keeps its sets over other ids": [
    prctl(PR.SET_KEEPCAPS, 1),
    uids(1000),
    capset(set(CAP.SETUID), set(CAP.SETUID, 5), set(5)),
    raise(5),
    setuid(1001, 1001, 1001),
    ...status
  ],
  "a process that becomes root again by CAP_SETUID": [
    prctl(PR.SET_KEEPCAPS, 1),
    uids(1000),
    capset(set(CAP.SETUID), set(CAP.SETUID, 5), 0n),
    setuid(-1, 0, -1),
    ...status,
    setuid(-1, 1000, -1),
    ...status
  ],
  "a real uid of root alone keeps the sets": [setuid(0, 1000, 1000), ...status, setuid(1000, -1, -1), ...status],
  "without the fixup nothing moves": [
    securebits(NO_FIXUP),
    capset(set(5, 7), set(5, 7), set(5)),
    raise(5),
    uids(1000),
    ...status,
    uids(0),
    ...status
  ],
  "gids move no capabilities": [setgid(1000, 1000, 1000), line("setgroups", { groups: [] }), ...status]
}

const sets: Readonly<Record<string, Scenario>> = {
  "capset lowers, and does not raise again": [
    capset(set(5, 6), set(5, 6, 7), 0n),
    capset(set(5, 6, 7), set(5, 6, 7), 0n),
    capset(0n, set(5), 0n),
    capset(0n, set(5, 6), 0n),
    caps
  ],
  "what is effective must be permitted": [capset(set(5, 6), set(5), 0n), capset(set(5), set(5), 0n), caps],
  "what is inheritable comes from permitted or, with CAP_SETPCAP, from bounding": [
    drop(12),
    capset(set(CAP.SETPCAP, 5), set(CAP.SETPCAP, 5), set(5)),
    capset(set(CAP.SETPCAP, 5), set(CAP.SETPCAP, 5), set(5, 6)),
    capset(set(CAP.SETPCAP, 5), set(CAP.SETPCAP, 5), set(5, 12)),
    capset(set(5), set(CAP.SETPCAP, 5), set(5, 6, 7)),
    capset(set(5), set(5), set(5, 6)),
    capset(set(5), set(5), set(6)),
    capset(set(5), set(5), set(5, 6)),
    caps
  ],
  "what has left the bounding set may stay inheritable, but not come back": [
    capset(set(CAP.SETPCAP, 5), set(CAP.SETPCAP, 5), set(5)),
    drop(5),
    capset(set(CAP.SETPCAP, 5), set(CAP.SETPCAP, 5), set(5)),
    caps,
    capset(set(CAP.SETPCAP, 5), set(CAP.SETPCAP, 5), 0n),
    capset(set(CAP.SETPCAP, 5), set(CAP.SETPCAP, 5), set(5))
  ],
  "capabilities beyond the last are left out": [
    capset(set(5), set(5), set(5, 50)),
    capset(set(5, 63), set(5, 50), 0n),
    capset(set(5, 41), set(5), set(41)),
    caps
  ],
  "capget of others": [
    line("capget", { pid: 1 }),
    line("capget", { pid: 4000000 }),
    line("capget", { pid: -1 }),
    fork(CLONE.NEWPID, [
      gate("ready"),
      gate("never"),
      start("child", 0, [capset(set(5), set(5, 6), set(6)), openGate("ready"), pass("never")]),
      pass("ready"),
      line("capget", { pid: "$child" }, see),
      fork(0, [uids(1000), line("capget", { pid: "$child" }, see), line("capget", { pid: 1 }, see)])
    ])
  ],
  "dropping from the bounding set takes CAP_SETPCAP": [
    drop(5),
    drop(5),
    capset(set(5), set(5, CAP.SETPCAP), 0n),
    drop(6),
    drop(99),
    prctl(PR.CAPBSET_READ, 5),
    prctl(PR.CAPBSET_READ, 6),
    prctl(PR.CAPBSET_READ, -1),
    prctl(PR.CAPBSET_READ, 41)
  ],
  "dropping from the bounding set leaves the other sets": [
    capset(set(CAP.SETPCAP, 5), set(CAP.SETPCAP, 5), set(5)),
    raise(5),
    drop(5),
    ...status
  ],
  "an ambient capability is permitted and inheritable": [
    capset(set(5, 6, 7), set(5, 6, 7), set(5, 6)),
    raise(5),
    raise(7),
    raise(8),
    isAmbient(5),
    isAmbient(7),
    ...status
  ],
  "lowering permitted or inheritable lowers ambient": [
    capset(set(5, 6, 7), set(5, 6, 7), set(5, 6, 7)),
    raise(5),
    raise(6),
    raise(7),
    capset(set(5, 6), set(5, 6), set(5, 6, 7)),
    ...status,
    capset(set(5, 6), set(5, 6), set(5)),
    ...status
  ],
  "an effective set may be lowered without the ambient one": [
    capset(set(5), set(5), set(5)),
    raise(5),
    capset(0n, set(5), set(5)),
    isAmbient(5),
    ...status
  ],
  "ambient capabilities are lowered one by one or all": [
    capset(set(5, 6), set(5, 6), set(5, 6)),
    raise(5),
    raise(6),
    lower(5),
    lower(5),
    lower(12),
    isAmbient(5),
    isAmbient(6),
    clearAmbient,
    isAmbient(6)
  ],
  "PR_CAP_AMBIENT takes nothing else": [
    raise(41),
    raise(-1),
    lower(64),
    isAmbient(99),
    prctl(PR.CAP_AMBIENT, 5, 5),
    prctl(PR.CAP_AMBIENT, 0, 5),
    prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_CLEAR_ALL, 1),
    line("prctl", { option: PR.CAP_AMBIENT, arg2: PR.CAP_AMBIENT_IS_SET, arg3: 5, arg4: 1, arg5: 0 }),
    line("prctl", { option: PR.CAP_AMBIENT, arg2: PR.CAP_AMBIENT_CLEAR_ALL, arg3: 0, arg4: 0, arg5: 1 })
  ],
  "SECBIT_NO_CAP_AMBIENT_RAISE forbids raising, not keeping": [
    capset(set(5, 6, CAP.SETPCAP), set(5, 6, CAP.SETPCAP), set(5, 6)),
    raise(5),
    securebits(NO_AMBIENT),
    raise(6),
    raise(5),
    isAmbient(5),
    lower(5),
    raise(5),
    securebits(0),
    raise(5)
  ],
  "CAP_SYS_RESOURCE that the machine does not have": [capset(set(24), set(24), 0n), prctl(PR.CAPBSET_READ, 24), caps]
}

const bits: Readonly<Record<string, Scenario>> = {
  "securebits take CAP_SETPCAP": [
    capset(set(5), set(5, CAP.SETPCAP), 0n),
    securebits(NOROOT),
    securebits(0),
    prctl(PR.GET_SECUREBITS),
    capset(set(CAP.SETPCAP), set(CAP.SETPCAP), 0n),
    securebits(NOROOT),
    prctl(PR.GET_SECUREBITS)
  ],
  "each lock holds its bit, set or not": [
    ...[0x2, 0x8, 0x20, 0x80].map((lock) =>
      fork(0, [
        securebits(lock),
        securebits(lock | lock >> 1),
        securebits(0),
        securebits(lock),
        prctl(PR.GET_SECUREBITS)
      ])
    ),
    ...[0x3, 0xc, 0x30, 0xc0].map((lock) =>
      fork(0, [securebits(lock), securebits(lock & 0xaa), securebits(0xff), prctl(PR.GET_SECUREBITS)])
    )
  ],
  "securebits of no meaning": [securebits(0x1000), securebits(-1), securebits(0x10000), prctl(PR.GET_SECUREBITS)],
  "securebits for programs that check what they execute need no capability": [
    securebits(0x100),
    prctl(PR.GET_SECUREBITS),
    capset(0n, 0n, 0n),
    securebits(0x100),
    securebits(0x500),
    securebits(0xf00),
    securebits(0x500),
    securebits(0xf01),
    prctl(PR.GET_SECUREBITS)
  ],
  "keepcaps is a secure bit": [
    prctl(PR.SET_KEEPCAPS, 1),
    prctl(PR.GET_SECUREBITS),
    securebits(0),
    prctl(PR.GET_KEEPCAPS),
    securebits(KEEP),
    prctl(PR.GET_KEEPCAPS),
    prctl(PR.SET_KEEPCAPS, 0),
    prctl(PR.GET_SECUREBITS)
  ],
  "keepcaps needs no capability": [
    capset(0n, 0n, 0n),
    prctl(PR.SET_KEEPCAPS, 1),
    prctl(PR.GET_KEEPCAPS),
    prctl(PR.SET_KEEPCAPS, 3),
    prctl(PR.SET_KEEPCAPS, -1)
  ],
  "locked keepcaps": [
    securebits(0x20),
    prctl(PR.SET_KEEPCAPS, 1),
    prctl(PR.SET_KEEPCAPS, 0),
    prctl(PR.SET_KEEPCAPS, 2),
    prctl(PR.GET_KEEPCAPS)
  ],
  "securebits are inherited": [securebits(0xf), fork(0, [prctl(PR.GET_SECUREBITS)])],
  "a new user namespace begins without securebits": [
    securebits(0xf),
    line("unshare", { flags: CLONE.NEWUSER }),
    prctl(PR.GET_SECUREBITS),
    securebits(1),
    ...status
  ]
}

const others: Readonly<Record<string, Scenario>> = {
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

export const credentials: Readonly<Record<string, Scenario>> = { ...ids, ...moves, ...sets, ...bits, ...others }
