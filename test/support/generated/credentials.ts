/** Credentials and capabilities. */
import * as fc from "fast-check"
import { CLONE, PR } from "../../../src/native/constants.ts"
import { line, see } from "../vocabulary.ts"
import { call, from, here, type Steps, weighted } from "./parts.ts"
import { all, flags, ids, inFork, maps, prctl, sequence, someSet, writing, zero } from "./sequences.ts"

const capability = from(0, 6, 7, 8, 12, 21, 40)

export const credentialStep: Steps = weighted(
  [5, call("setresuid", { ruid: ids, euid: ids, suid: ids })],
  [3, call("setresgid", { rgid: ids, egid: ids, sgid: ids })],
  [2, call("setgroups", { groups: from<ReadonlyArray<number>>([], [1000], [0, 2000], [5, 1000, 3]) })],
  [4, call("capset", { effective: someSet, permitted: someSet, inheritable: someSet })],
  [
    2,
    fc.tuple(someSet, someSet).map((
      [some, inheritable]
    ) => [line("capset", { effective: some, permitted: some, inheritable })])
  ],
  [1, prctl(PR.SET_KEEPCAPS, from(0, 1, 1, 2))],
  [2, prctl(PR.SET_SECUREBITS, flags(1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80))],
  [1, prctl(PR.SET_NO_NEW_PRIVS, from(1, 0))],
  [2, prctl(PR.CAPBSET_DROP, capability)],
  [1, prctl(PR.CAPBSET_READ, from(0, 21, 63, 41))],
  [
    3,
    prctl(
      PR.CAP_AMBIENT,
      from<number>(PR.CAP_AMBIENT_RAISE, PR.CAP_AMBIENT_RAISE, PR.CAP_AMBIENT_LOWER, PR.CAP_AMBIENT_IS_SET),
      capability
    )
  ],
  [1, prctl(PR.CAP_AMBIENT, fc.constant(PR.CAP_AMBIENT_CLEAR_ALL))],
  [1, prctl(PR.SET_DUMPABLE, from(0, 1, 2))],
  [1, prctl(PR.SET_PDEATHSIG, from(0, 9, 65))],
  [1, prctl(PR.GET_PDEATHSIG, zero)],
  [1, call("getresuid", {}, see)],
  [1, call("getgroups", {}, see)],
  [1, call("capget", { pid: zero }, see)],
  [2, call("unshare", { flags: fc.constant(CLONE.NEWUSER) })],
  [2, writing("/proc/self/uid_map", maps)],
  [2, writing("/proc/self/gid_map", maps)],
  [1, writing("/proc/self/setgroups", from("deny", "allow", "x"))],
  [1, call("sethostname", { name: from("one", "two") })],
  [1, call("mkdirat", { dirfd: here, path: from("a", "a/b"), mode: fc.constant(0o755) })],
  [1, call("fchownat", { dirfd: here, path: fc.constant("a"), uid: ids, gid: ids, flags: zero })]
)

export const credentials = sequence(
  fc.oneof({ weight: 20, arbitrary: credentialStep }, {
    weight: 1,
    arbitrary: inFork(from(0, CLONE.NEWUSER), credentialStep)
  }),
  [
    line("capset", { effective: all, permitted: all, inheritable: all }),
    line("prctl", { option: PR.SET_DUMPABLE, arg2: 1, arg3: 0, arg4: 0, arg5: 0 })
  ]
)
