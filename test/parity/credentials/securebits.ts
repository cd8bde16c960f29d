/** Securebits: what each does, and who may set it. */
import { CLONE, PR } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { capset, fork, line, prctl, set } from "../../support/vocabulary.ts"
import { CAP, KEEP, NOROOT, securebits, status } from "./lines.ts"

export const bits: Readonly<Record<string, Scenario>> = {
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
