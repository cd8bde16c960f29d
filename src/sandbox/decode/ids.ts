/** Whose rights a program has, and which ids its sandbox has. */
import * as Effect from "effect/Effect"
import { type Problem, problem } from "../../config/ConfigError.ts"
import type { Container, IdMapping } from "../../config/Container.ts"
import type { AnyGid, AnyUid } from "../../native/Handle.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"
import type { UserFiles } from "../../runtime/lookUpUser.ts"
import { mappedUser } from "../../runtime/mappedUser.ts"
import { type Authority, rulesHost } from "../../steps/caller/authority.ts"
import type { Description } from "../Description.ts"

const nobody = 65534

/** All ids as they are outside. */
const identity: ReadonlyArray<IdMapping> = [{ containerId: 0, hostId: 0, size: 2 ** 32 - 1 }]

const one = (id: number): ReadonlyArray<IdMapping> => [{ containerId: id, hostId: id, size: 1 }]

const ids = (uid: AnyUid, gid: AnyGid) => ({ _tag: "Ids", uid, gid, additionalGids: [] }) as const

type User = Container["process"]["user"]

/** The user of a program, and the ids of its user namespace; absent: it has none of its own. */
export interface Ids {
  readonly user: User
  readonly mappings?: { readonly uid: ReadonlyArray<IdMapping>; readonly gid: ReadonlyArray<IdMapping> }
  readonly problems: ReadonlyArray<Problem>
}

const spec = (user: string | number): string => typeof user === "number" ? `${user}:${user}` : user

/**
 * The user that a description asks for.
 *
 * @param files in which users are looked up
 */
export const idsOf = (
  { user, userNamespace = true }: Description,
  caller: Authority,
  files: UserFiles
): Effect.Effect<Ids, SyscallError, Kernel> => {
  if (rulesHost(caller)) {
    const asked: User = user === undefined
      ? ids(nobody, nobody)
      : { _tag: "Named", spec: spec(user), additionalGids: [] }
    const mappings = { uid: identity, gid: identity }
    return Effect.succeed({ user: asked, problems: [], ...(userNamespace ? { mappings } : {}) })
  }
  const own: Ids = {
    user: ids(caller.uid, caller.gid),
    mappings: { uid: one(caller.uid), gid: one(caller.gid) },
    problems: userNamespace
      ? []
      : [problem("userNamespace", false, "must be true: without privileges, nothing else keeps the sandbox apart")]
  }
  if (user === undefined) return Effect.succeed(own)
  return mappedUser(spec(user), caller, files).pipe(
    Effect.map(({ gid, uid, user: told }): Ids => ({
      ...own,
      user: told ?? { _tag: "Named", spec: spec(user), additionalGids: [] },
      mappings: { uid, gid }
    })),
    Effect.catchIf(
      (error) => error._tag !== "SyscallError",
      ({ message }) => Effect.succeed({ ...own, problems: [...own.problems, problem("user", user, message)] })
    )
  )
}
