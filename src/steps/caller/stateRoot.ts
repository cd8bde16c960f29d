/**
 * Where the states of containers are kept by default. That depends on the user, and on what this host has.
 *
 * The directory must belong to the caller alone, and be the same for every command. Every user can make names in `/tmp`, so a
 * directory there is made at once, and is only used if it belongs to the caller and nobody else can look into it.
 *
 * @see XDG Base Directory Specification, $XDG_RUNTIME_DIR
 * @category caller
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { hostId } from "../../config/Container.ts"
import { AT, O, S } from "../../native/constants.ts"
import { isType, stat, using } from "../../native/Files.ts"
import type { AnyUid } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { NoStateRoot, StateUntrusted } from "../state/errors.ts"
import type { Authority } from "./authority.ts"
import { ownMap } from "./ownMap.ts"

const W_OK = 2
const X_OK = 1

/** What {@link defaultStateRoot} can fail with. */
export type StateRootError = SyscallError | StateUntrusted | NoStateRoot

const look = (path: string, flags = 0) =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.PATH | O.DIRECTORY | O.CLOEXEC | flags, mode: 0 }),
    stat
  )

/** Whether the caller can make something in a directory. */
const isUsable = (path: string): Effect.Effect<boolean, SyscallError, Kernel> =>
  Effect.as(sys.faccessat2({ dirfd: AT.FDCWD, path, mode: W_OK | X_OK, flags: 0 }), true).pipe(
    orOn(["ENOENT", "ENOTDIR", "EACCES", "EROFS", "EPERM", "ELOOP", "ENOSYS"], false)
  )

/**
 * The directory of a user who has no run-time directory: below `/tmp`, and only the user's. Root of a user namespace counts as
 * the user that it is outside: many user namespaces share one `/tmp`, and each has a root.
 */
const ofTmp = Effect.fnUntraced(function*(uid: AnyUid): Effect.fn.Return<string, StateRootError, Kernel> {
  const maps = yield* Effect.orElseSucceed(ownMap("uid"), () => [])
  const path = `/tmp/runfx-${hostId(maps, uid) ?? uid}`
  yield* sys.mkdirat({ dirfd: AT.FDCWD, path, mode: 0o700 }).pipe(
    orOn(["EEXIST"], undefined),
    Effect.mapError((reason) => new NoStateRoot({ path, reason }))
  )
  const tmp = yield* look("/tmp")
  // if others can remove names in /tmp, the directory that was checked may be another one later
  const stays = (tmp.mode & S.ISVTX) !== 0 || (tmp.mode & 0o022) === 0
  const own = yield* look(path, O.NOFOLLOW).pipe(orOn(["ENOTDIR", "ELOOP"], undefined))
  if (!stays || own === undefined || !isType(own, S.IFDIR) || own.uid !== uid || (own.mode & 0o077) !== 0) {
    return yield* new StateUntrusted({ path, owner: own?.uid ?? tmp.uid, mode: (own ?? tmp).mode & 0o7777 })
  }
  return path
})

/**
 * `/run/runfx` for root of the host. For every other user it is `runfx` in `$XDG_RUNTIME_DIR`, if that is an absolute path (the
 * specification says to ignore others); otherwise in the first of these that the user may write: `/run/user/UID`, and for root
 * of a user namespace `/run`; otherwise `/tmp/runfx-UID`.
 */
export const defaultStateRoot = (
  authority: Authority,
  environment: { readonly XDG_RUNTIME_DIR?: string | undefined }
): Effect.Effect<string, StateRootError, Kernel> => rootFor(authority, environment)

const rootFor = Effect.fnUntraced(function*(
  { initial, uid }: Authority,
  environment: { readonly XDG_RUNTIME_DIR?: string | undefined }
): Effect.fn.Return<string, StateRootError, Kernel> {
  if (uid === 0 && initial) return "/run/runfx"
  const named = environment.XDG_RUNTIME_DIR ?? ""
  // what the environment names is used as it is: if that fails, the user gets the error
  if (named.startsWith("/")) return `${named.replace(/(.)\/+$/, "$1")}/runfx`
  for (const directory of [`/run/user/${uid}`, ...(uid === 0 ? ["/run"] : [])]) {
    if (yield* isUsable(directory)) return `${directory}/runfx`
  }
  return yield* ofTmp(uid)
})
