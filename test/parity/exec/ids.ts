/** What becomes of ids and capabilities of root and of users. */
import { PR } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { capset, drop, line, prctl, raise, set } from "../../support/vocabulary.ts"
import { becomes, capableUser, nnp, user } from "./lines.ts"

export const root: Readonly<Record<string, Scenario>> = {
  "root gets its capabilities back": becomes([capset(0n, 0n, 0n)]),
  "root gets what the bounding set holds": becomes([drop(5), drop(21)]),
  "root gets what is inheritable, though it is not bounding": becomes([
    capset(set(5, 8), set(5, 8), set(5)),
    drop(5)
  ]),
  "root without privilege as such gets nothing": becomes([prctl(PR.SET_SECUREBITS, 1)]),
  "root without privilege as such keeps what is ambient": becomes([
    prctl(PR.SET_SECUREBITS, 1),
    capset(set(5, 6), set(5, 6), set(5)),
    raise(5)
  ]),
  "a real uid of root: permitted, not effective": becomes([line("setresuid", { ruid: 0, euid: 1000, suid: 1000 })]),
  "an effective uid of root: permitted and effective": becomes([
    line("setresuid", { ruid: 1000, euid: 0, suid: 0 })
  ]),
  "a saved uid of root alone: nothing": becomes([line("setresuid", { ruid: 1000, euid: 1000, suid: 0 })]),
  "exec makes the saved ids the effective ones": becomes([
    line("setresgid", { rgid: 5, egid: 6, sgid: 7 }),
    line("setresuid", { ruid: 1000, euid: 1001, suid: 1002 })
  ]),
  "root with no_new_privs gets nothing back": becomes([capset(set(5), set(5), 0n), nnp]),
  "root with no_new_privs keeps what it has": becomes([nnp]),
  "root's ambient capabilities stay": becomes([capset(set(5, 6), set(5, 6), set(5)), raise(5)])
}

export const users: Readonly<Record<string, Scenario>> = {
  "a user's capabilities end with exec": becomes(capableUser(1000, set(5, 6))),
  "inheritable capabilities stay inheritable only": becomes(capableUser(1000, set(5, 6), set(5))),
  "ambient capabilities stay permitted and effective": becomes(capableUser(1000, set(5, 6), set(5, 6), [5])),
  "ambient capabilities stay under no_new_privs": becomes([...capableUser(1000, set(5, 6), set(5), [5]), nnp]),
  "keepcaps ends with exec": becomes([prctl(PR.SET_SECUREBITS, 0x11), ...user(1000)]),
  "groups stay": becomes(user(1000, [7, 5])),
  "a program that can't be read is not dumpable": becomes(user(1000), 0o711),
  "a program that can be read is dumpable": becomes([...user(1000), prctl(PR.SET_DUMPABLE, 0)], 0o755),
  "differing real and effective ids make a program undumpable": becomes([
    line("setresgid", { rgid: 5, egid: 6, sgid: 5 })
  ])
}
