/** The five capability sets. */
import { CLONE, PR } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import {
  caps,
  capset,
  drop,
  fork,
  gate,
  line,
  openGate,
  pass,
  prctl,
  raise,
  see,
  set,
  start,
  uids
} from "../../support/vocabulary.ts"
import { CAP, NO_AMBIENT, securebits, status } from "./lines.ts"

const lower = (capability: number) => prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_LOWER, capability)
const isAmbient = (capability: number) => prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_IS_SET, capability)
const clearAmbient = prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_CLEAR_ALL)

export const sets: Readonly<Record<string, Scenario>> = {
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
