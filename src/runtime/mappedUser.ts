/**
 * Which ids a container gets if its caller has no privileges over the host, so that its program can run as the user that the
 * command line names.
 *
 * The container's root is the caller. Another user needs more ids: those of the caller's own user namespace, if the caller may
 * map them, otherwise the subordinate ones. Without either there is one id, which can have any number inside: the program's user
 * is then the caller, and there is no root.
 *
 * @see user_namespaces(7), subuid(5)
 */
import * as Effect from "effect/Effect"
import type { IdMapping, Process } from "../config/Container.ts"
import { hostId } from "../config/Container.ts"
import type { UserError } from "../config/user.ts"
import { PR } from "../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"
import { type Authority, holds } from "../steps/caller/authority.ts"
import { ownMap } from "../steps/caller/ownMap.ts"
import { mappingsOf, subordinateIds } from "../steps/caller/subordinateIds.ts"
import { lookUpUser, type UserFiles } from "./lookUpUser.ts"

/** Ids of a container, and the user of its program if that must be named by numbers. */
interface MappedUser {
  readonly uid: ReadonlyArray<IdMapping>
  readonly gid: ReadonlyArray<IdMapping>
  readonly user?: Process["user"]
}

const one = (containerId: number, hostId: number): ReadonlyArray<IdMapping> => [{ containerId, hostId, size: 1 }]

/** The identity, for all ids that the caller's own user namespace has. */
const ownIds = (kind: "uid" | "gid") =>
  Effect.map(
    Effect.orElseSucceed(ownMap(kind), () => []),
    (lines): ReadonlyArray<IdMapping> =>
      lines.map(({ containerId, size }) => ({ containerId, hostId: containerId, size }))
  )

/** All ids that a caller may map into a container; `undefined` if that is only its own. */
export const mappableIds = (caller: Authority): Effect.Effect<MappedUser | undefined, SyscallError, Kernel> =>
  Effect.gen(function*() {
    if (holds(caller, "SETUID", "SETGID", "SETFCAP")) return { uid: yield* ownIds("uid"), gid: yield* ownIds("gid") }
    const option = { option: PR.GET_NO_NEW_PRIVS, arg2: 0, arg3: 0, arg4: 0, arg5: 0 }
    // newuidmap and newgidmap gain no privileges then
    if ((yield* sys.prctl(option)) === 1) return undefined
    const granted = yield* subordinateIds(caller.uid)
    return granted === undefined ? undefined : {
      uid: mappingsOf(caller.uid, granted.uid),
      gid: mappingsOf(caller.gid, granted.gid)
    }
  })

/**
 * The ids for a program of the user `spec`, which is `user[:group]`.
 *
 * @param files where the container's `/etc/passwd` is
 */
export const mappedUser = (
  spec: string | undefined,
  caller: Authority,
  files: UserFiles
): Effect.Effect<MappedUser, SyscallError | UserError, Kernel> =>
  Effect.gen(function*() {
    const own: MappedUser = { uid: one(0, caller.uid), gid: one(0, caller.gid) }
    if (spec === undefined) return own
    const wanted = yield* lookUpUser(spec, files)
    if (wanted.uid === 0 && wanted.gid === 0 && wanted.groups.length === 0) return own
    const mapped = yield* mappableIds(caller)
    const fits = mapped !== undefined && hostId(mapped.uid, wanted.uid) !== undefined &&
      [wanted.gid, ...wanted.groups].every((id) => hostId(mapped.gid, id) !== undefined)
    if (fits) return mapped
    const user = { _tag: "Ids", uid: wanted.uid, gid: wanted.gid, additionalGids: [] } as const
    return { uid: one(wanted.uid, caller.uid), gid: one(wanted.gid, caller.gid), user }
  })
