/** Words for the scenarios here. */
import { CLONE, PR } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  fork,
  gate,
  gids,
  join,
  kill,
  line,
  mount,
  openGate,
  pass,
  prctl,
  see,
  start,
  uids,
  write
} from "../../support/vocabulary.ts"

export const unshare = (flags: number) => line("unshare", { flags })
export const newUser = unshare(CLONE.NEWUSER)
export const uid = line("getresuid", {}, see)
export const gid = line("getresgid", {}, see)
export const groups = line("getgroups", {}, see)
export const setgroups = (...ids: ReadonlyArray<number>) => line("setgroups", { groups: ids })

export const user = (id: number): Scenario => [
  gids(id),
  setgroups(),
  uids(id),
  // so that its files in /proc are its own
  prctl(PR.SET_DUMPABLE, 1)
]

export const capset = (set: bigint) => line("capset", { effective: set, permitted: set, inheritable: 0n })
export const bit = (capability: number): bigint => 1n << BigInt(capability)

/** Maps of the process itself. */
export const maps = (uids: string, gids = uids): Scenario => [
  ...write("/proc/self/setgroups", "deny"),
  ...write("/proc/self/uid_map", uids),
  ...write("/proc/self/gid_map", gids)
]

/** A child in a new user namespace, which its parent maps; then lines of both. */
export const mapped = (
  uidMap: string,
  gidMap: string,
  inside: Scenario,
  outside: Scenario = [],
  flags = 0
): Scenario => [
  fork(CLONE.NEWPID, [fork(0, [
    mount("proc", "/proc", "proc", 0),
    gate("ready"),
    gate("mapped"),
    gate("done"),
    gate("never"),
    start("child", CLONE.NEWUSER | flags, [
      openGate("ready"),
      pass("mapped"),
      ...inside,
      openGate("done"),
      pass("never")
    ]),
    pass("ready"),
    ...write("/proc/$child/uid_map", uidMap),
    ...write("/proc/$child/gid_map", gidMap),
    openGate("mapped"),
    pass("done"),
    ...outside,
    kill("$child", 9),
    join("child")
  ])])
]
