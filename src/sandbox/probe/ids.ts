/** Which users the program of a sandbox can be. */
import * as Effect from "effect/Effect"
import { PR } from "../../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { mappableIds } from "../../runtime/mappedUser.ts"
import { type Authority, holds, rulesHost } from "../../steps/caller/authority.ts"
import { type Finding, finding } from "./Finding.ts"

const of = (ok: boolean, found: string, remedy = ""): Finding => finding("ids", ok, found, remedy)

/** Why a caller may map no id but its own, and what to do. */
export const onlyOwn = (caller: Authority, noNewPrivileges: boolean): Finding => {
  if (holds(caller, "SETUID", "SETGID", "SETFCAP")) {
    const remedy = "for other users in a sandbox: start in a user namespace with more ids (unshare --map-root-user " +
      "--map-auto), or outside of this one"
    return of(false, "the only one of this user namespace", remedy)
  }
  if (noNewPrivileges) {
    const remedy = "for other users in a sandbox: start without no_new_privs, under which newuidmap has no privileges"
    return of(false, "the caller's own only: no_new_privs is set", remedy)
  }
  const grant = `a line as "${caller.uid}:100000:65536" in /etc/subuid and in /etc/subgid, by root`
  const remedy = `for other users in a sandbox: ${grant}, and the package uidmap`
  return of(false, "the caller's own only", remedy)
}

/** Looks which ids a caller may map. */
export const ids = (caller: Authority): Effect.Effect<Finding, SyscallError, Kernel> =>
  Effect.gen(function*() {
    if (rulesHost(caller)) return of(true, "all")
    const mapped = yield* mappableIds(caller)
    const many = mapped !== undefined &&
      [mapped.uid, mapped.gid].every((map) => map.reduce((sum, { size }) => sum + size, 0) > 1)
    if (many) return of(true, holds(caller, "SETUID", "SETGID") ? "those of this user namespace" : "subordinate ones")
    const option = { option: PR.GET_NO_NEW_PRIVS, arg2: 0, arg3: 0, arg4: 0, arg5: 0 }
    return onlyOwn(caller, (yield* sys.prctl(option)) === 1)
  })
