/**
 * Placeholders of what a workspace does not have, and what the program must not make: an empty file or directory on the host,
 * on which the sandbox covers it. Something must be there, since a mount is on a thing and not on a name; and it must stay as
 * long as the sandbox runs, since the kernel takes a mount away whose place is removed, in every namespace.
 *
 * Several sandboxes may use one workspace: each that needs a placeholder holds a lock on it, and the last one removes it. One
 * that was left by an application that was killed is known by its mode, and removed by the next sandbox; not on a file system
 * that keeps no modes.
 *
 * @see rmdir(2), flock(2), bubblewrap's mount points
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { AT, LOCK, O, RESOLVE, S } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Found, Missing } from "./find.ts"
import { isPlaceholder, modes } from "./mark.ts"

const beneath = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS

/** Opens without waiting for anybody, and without a link on the way. */
const openAt = (dirfd: AnyFd, path: string, flags: number) =>
  sys.openat2({ dirfd, path, flags: flags | O.CLOEXEC, mode: 0, resolve: beneath })

/** Nobody may make anything there; or it is gone meanwhile. */
const notHere = ["EACCES", "EPERM", "EROFS", "ENOENT", "ENOTDIR", "ELOOP"] as const

/** A placeholder that is held. */
interface Held {
  readonly fd: number
  /** Whether nobody knows it by its mode: some file systems keep none (9p, FUSE). It is known here, since it was made here. */
  readonly unmarked: boolean
}

/** Removes it, if it is empty still, and nobody else needs it. */
const remove = (parent: number, name: string, { fd, unmarked }: Held) =>
  Effect.gen(function*() {
    yield* sys.flock({ fd, operation: LOCK.EX | LOCK.NB })
    const own = yield* Files.stat(fd)
    const now = yield* sys.statx({ dirfd: parent, path: name, flags: AT.SYMLINK_NOFOLLOW, mask: 0x7ff })
    const isOurs = unmarked ? (now.mode & S.IFMT) === S.IFDIR || now.size === 0n : isPlaceholder(now)
    if (own.ino !== now.ino || !isOurs) return
    yield* sys.unlinkat({ dirfd: parent, path: name, flags: (now.mode & S.IFMT) === S.IFDIR ? AT.REMOVEDIR : 0 })
  }).pipe(
    // somebody needs it, has filled it, or has removed it
    Effect.ignore
  )

/** How often one that is being removed is made again. */
const tries = 100

/** Makes one, or takes the one that is there; `undefined` if it is something else, or can't be made. */
const hold = (
  parent: number,
  name: string,
  directory: boolean
): Effect.Effect<Held | undefined, SyscallError, Kernel> =>
  Effect.gen(function*() {
    for (let attempt = 0; attempt < tries; attempt++) {
      const made = directory
        ? sys.mkdirat({ dirfd: parent, path: name, mode: modes.directory })
        : sys.mknodat({ dirfd: parent, path: name, mode: S.IFREG | modes.file, major: 0, minor: 0 })
      const isMade = yield* Effect.as(made, true).pipe(orOn(["EEXIST"], false), orOn([...notHere], undefined))
      if (isMade === undefined) return undefined
      const fd = yield* openAt(parent, name, O.RDONLY | O.NONBLOCK).pipe(orOn([...notHere], undefined))
      if (fd === undefined) return undefined
      const locked = yield* Effect.as(sys.flock({ fd, operation: LOCK.SH | LOCK.NB }), true).pipe(
        orOn(["EAGAIN"], false)
      )
      const { ino, mode, size } = yield* Files.stat(fd)
      const now = yield* sys.statx({ dirfd: parent, path: name, flags: AT.SYMLINK_NOFOLLOW, mask: 0x7ff }).pipe(
        orOn([...notHere], undefined)
      )
      if (locked && now?.ino === ino) {
        const unmarked = !isPlaceholder({ mode, size })
        if (isMade || !unmarked) return { fd, unmarked }
        yield* sys.close({ fd })
        return undefined
      }
      yield* sys.close({ fd })
      yield* Effect.sleep(10)
    }
    return undefined
  })

const place = (top: number, { directory, path }: Missing): Effect.Effect<void, SyscallError, Kernel | Scope.Scope> =>
  Effect.uninterruptible(Effect.gen(function*() {
    const slash = path.lastIndexOf("/")
    const above = slash < 0 ? "." : path.slice(0, slash)
    const name = path.slice(slash + 1)
    const parent = yield* openAt(top, above, O.PATH | O.DIRECTORY).pipe(orOn([...notHere], undefined))
    if (parent === undefined) return
    yield* Effect.addFinalizer(() => Effect.ignore(sys.close({ fd: parent })))
    const held = yield* hold(parent, name, directory)
    if (held === undefined) return
    yield* Effect.addFinalizer(() =>
      Effect.andThen(remove(parent, name, held), Effect.ignore(sys.close({ fd: held.fd })))
    )
  }))

/** Puts something in the place of what is missing, until the scope is closed. */
export const placeholders = (
  { missing, source }: Pick<Found, "source" | "missing">
): Effect.Effect<void, SyscallError, Kernel | Scope.Scope> =>
  missing.length === 0 ? Effect.void : Effect.gen(function*() {
    const top = yield* Effect.acquireRelease(
      sys.openat({ dirfd: AT.FDCWD, path: source, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 }),
      (fd) => Effect.ignore(sys.close({ fd }))
    )
    for (const one of missing) yield* place(top, one)
  })
