/** Session keyrings, as far as keyctl(2) is used. @see keyrings(7), keyctl(2) */
import { CLONE, KEYCTL } from "../../src/native/constants.ts"
import { markOf } from "../support/mark.ts"
import { type Line, type Scenario } from "../support/parityLines.ts"
import { as, become, fork, line, see } from "../support/vocabulary.ts"

const nobody = 54321
const session = -3
const join = (name: string | null, key?: string): Line =>
  line("keyctl", { operation: KEYCTL.JOIN_SESSION_KEYRING, arg2: name, arg3: 0 }, key === undefined ? {} : as(key))
const id = (keyring: number | string, create = 0, key?: string): Line =>
  line("keyctl", { operation: KEYCTL.GET_KEYRING_ID, arg2: keyring, arg3: create }, key === undefined ? {} : as(key))
const permit = (keyring: number | string, mask: number): Line =>
  line("keyctl", { operation: KEYCTL.SETPERM, arg2: keyring, arg3: mask })
const describe = (keyring: number | string): Line =>
  line("keyctl", { operation: KEYCTL.DESCRIBE, arg2: keyring, arg3: 0 }, see)
const own = markOf("runfx-parity-")
/** All rights of the possessor, and the right to look of the user. */
const usual = 0x3f010000

export const keyrings: Readonly<Record<string, Scenario>> = {
  "a new session keyring without a name": [join(null), id(session)],
  "a keyring of a name, and the same one again": [join(own, "first"), join(own, "again"), id(session)],
  "permissions of one's own keyring": [join(own, "ring"), permit("$ring", usual), permit("$ring", 0x3f3f3f3f)],
  "permissions have bits": [join(own, "ring"), permit("$ring", 0x40000000), permit("$ring", 0x00000040)],
  "permissions of what is no key": [permit(2147483647, usual), permit(0, usual)],
  "children have their parent's session keyring": [join(own, "ring"), fork(0, [permit("$ring", usual), id(session)])],
  "a keyring of one's own does not become the parent's": [
    join(null, "ring"),
    fork(0, [join(null)]),
    permit("$ring", usual)
  ],
  "joining by name the keyring that one has, where it may be searched": [
    join(own, "ring"),
    permit("$ring", 0x3f3b0000),
    line("keyctl", { operation: KEYCTL.JOIN_SESSION_KEYRING, arg2: own, arg3: 0 }, see)
  ],
  "a keyring of a name may be searched by nobody at first": [
    // a name of its own: the collector may not have come yet to the ring of an earlier scenario
    join(`${own}-unsearchable`, "ring"),
    fork(0, [join(`${own}-unsearchable`), permit("$ring", usual)])
  ],
  "a keyring that its user may search is found by name": [
    join(own, "ring"),
    permit("$ring", 0x3f3b0000),
    fork(0, [join(null), join(own), describe(session), permit("$ring", 0x3f1b0000), describe("$ring")]),
    describe(session)
  ],
  "a keyring of another user is not found": [
    join(own, "ring"),
    permit("$ring", 0x3f3b0000),
    fork(0, [...become(nobody), join(null), join(own), permit("$ring", usual), describe("$ring")])
  ],
  "rights of others": [
    join(own, "ring"),
    permit("$ring", 0x3f3b0001),
    fork(0, [...become(nobody), join(null), describe("$ring"), permit("$ring", usual)]),
    permit("$ring", 0x3f3b0020),
    fork(0, [...become(nobody), join(null), describe("$ring"), permit("$ring", usual)])
  ],
  "rights that one has not given oneself": [
    join(own, "ring"),
    permit("$ring", 0x01000000),
    describe("$ring"),
    permit("$ring", usual),
    id(session)
  ],
  "a description's length": [join(null), describe(session), join("runfx-parity", "ring"), describe("$ring")],
  "names with a dot are the kernel's": [join(".runfx"), join("a.b"), join("")],
  "names have an end": [join("x".repeat(4095)), join("x".repeat(4096)), join("x".repeat(5000))],
  "operations that there are not": [line("keyctl", { operation: 9999, arg2: 0, arg3: 0 })],
  "keyrings of a user namespace": [fork(CLONE.NEWUSER, [join(own), id(session)])],
  "keyrings of somebody else": [fork(0, [...become(nobody), join(null), id(session)])]
}
