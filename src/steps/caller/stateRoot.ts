/**
 * Where the states of containers are kept if nobody says otherwise: by which user, and by what this host has.
 *
 * The directory must be the caller's alone, and the same for every command. Below `/tmp` everybody can make names, so the
 * last resort is made at once, and used only if it is a directory of the caller's that nobody else can look into.
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
 * The directory of a user who has no run-time directory: below `/tmp`, and nobody's but the user's. Root of a user
 * namespace is the user that it is outside: many have a root of their own, and one `/tmp`.
 */
const ofTmp = (uid: AnyUid): Effect.Effect<string, StateRootError, Kernel> =>
  Effect.gen(function*() {
    const maps = yield* Effect.orElseSucceed(ownMap("uid"), () => [])
    const path = `/tmp/runfx-${hostId(maps, uid) ?? uid}`
    yield* sys.mkdirat({ dirfd: AT.FDCWD, path, mode: 0o700 }).pipe(
      orOn(["EEXIST"], undefined),
      Effect.mapError((reason) => new NoStateRoot({ path, reason }))
    )
    const tmp = yield* look("/tmp")
    // where names can be taken away by others, a directory that was looked at may be another one later
    const stays = (tmp.mode & S.ISVTX) !== 0 || (tmp.mode & 0o022) === 0
    const own = yield* look(path, O.NOFOLLOW).pipe(orOn(["ENOTDIR", "ELOOP"], undefined))
    if (!stays || own === undefined || !isType(own, S.IFDIR) || own.uid !== uid || (own.mode & 0o077) !== 0) {
      return yield* new StateUntrusted({ path, owner: own?.uid ?? tmp.uid, mode: (own ?? tmp).mode & 0o7777 })
    }
    return path
  })

/**
 * `/run/runfx` for root of the host. For anybody else the first of these that is there: `$XDG_RUNTIME_DIR`, if it is an
 * absolute path (the specification has others ignored), `/run/user/UID`, and for root of a user namespace `/run`; at
 * last `/tmp/runfx-UID`.
 */
export const defaultStateRoot = (
  { initial, uid }: Authority,
  environment: { readonly XDG_RUNTIME_DIR?: string | undefined }
): Effect.Effect<string, StateRootError, Kernel> =>
  Effect.gen(function*() {
    if (uid === 0 && initial) return "/run/runfx"
    const named = environment.XDG_RUNTIME_DIR ?? ""
    // what the environment names is taken as it is: if it can't be used, the user hears of that
    if (named.startsWith("/")) return `${named.replace(/(.)\/+$/, "$1")}/runfx`
    for (const directory of [`/run/user/${uid}`, ...(uid === 0 ? ["/run"] : [])]) {
      if (yield* isUsable(directory)) return `${directory}/runfx`
    }
    return yield* ofTmp(uid)
  })
