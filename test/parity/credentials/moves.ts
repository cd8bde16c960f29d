/** How changes of ids move capabilities. */
import { PR } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { caps, capset, line, prctl, raise, set, uids } from "../../support/vocabulary.ts"
import { CAP, NO_FIXUP, securebits, setgid, setuid, status } from "./lines.ts"

export const moves: Readonly<Record<string, Scenario>> = {
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
