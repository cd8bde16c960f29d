/**
 * Opens the directory of the states so that nobody else decides which directory that is.
 *
 * A state lists what to kill and what to remove. Who can write in the directory of the states, or exchange a directory on the way to
 * it, could have the caller kill and remove what that other user chose. So the path is walked by handle, a component at a time,
 * and the owner and the mode of each directory are judged before a name in it is looked up. What was judged can't be exchanged
 * afterwards: only root and the caller could do that.
 *
 * In a sticky directory (`/tmp`) everybody can make names, but only their owner can take them away. So one may be on the way if what
 * it leads to belongs to root or the caller. Links are followed if they are root's or the caller's.
 *
 * @see path_resolution(7), inode(7) on the sticky bit
 * @category state
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { AT, O, S, STATX } from "../../native/constants.ts"
import { isType, stat } from "../../native/Files.ts"
import type { AnyFd, AnyUid } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Stat } from "../../native/results.ts"
import { StateUntrusted } from "./errors.ts"

/** The mode of the directory of the states, and of those that are made above it, no matter what the umask is. */
const rootMode = 0o700

/** How many links may be on the way, as in a look-up of the kernel (`MAXSYMLINKS`). */
const maxLinks = 40

/** Bits by which the group or others can write. */
const writable = 0o022

const bitsOf = ({ mode }: Pick<Stat, "mode">): number => mode & 0o7777

/** Fails unless a directory belongs to root or the caller, and nobody else can write there. */
export const judge = (
  directory: Stat,
  effective: AnyUid,
  path: string
): Effect.Effect<void, StateUntrusted> =>
  (directory.uid === 0 || directory.uid === effective) && (directory.mode & writable) === 0
    ? Effect.void
    : Effect.fail(new StateUntrusted({ path, owner: directory.uid, mode: bitsOf(directory) }))

/** A path that is walked. */
interface Walk {
  readonly root: string
  readonly make: boolean
  readonly effective: AnyUid
  /**
   * The owner of `/`. It is root, and is believed like root: in a user namespace that does not map root, both have the uid of
   * all that is not mapped.
   */
  readonly top: AnyUid
  /** The directory that is open; absent: it is `/`. */
  at?: number
  /** Its path, without links. */
  path: string
  /** Components that are left. */
  left: ReadonlyArray<string>
  /** How many of these are of a link: they are not made. */
  linked: number
  links: number
}

const componentsOf = (path: string) => path.split("/").filter((part) => part !== "" && part !== ".")

const onTheWay = Effect.fnUntraced(function*(walk: Walk, { mode, uid }: Stat, path: string) {
  const { effective, root, top } = walk
  const owned = uid === 0 || uid === effective || uid === top
  const link = (mode & S.IFMT) === S.IFLNK
  // a link has no mode of its own
  if (owned && (link || (mode & writable) === 0 || (mode & S.ISVTX) !== 0)) return
  return yield* new StateUntrusted({ path, owner: uid, mode: mode & 0o7777, way: { root, link } })
})

/** Continues with what a link leads to. */
const follow = Effect.fnUntraced(
  function*(walk: Walk, dirfd: AnyFd, name: string, path: string, refused: SyscallError) {
    const found = yield* sys.statx({ dirfd, path: name, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.BASIC_STATS })
    if (!isType(found, S.IFLNK) || walk.links === maxLinks) return yield* Effect.fail(refused)
    yield* onTheWay(walk, found, path)
    const target = yield* sys.readlinkat({ dirfd, path: name })
    const parts = componentsOf(target)
    walk.links++
    walk.linked += parts.length
    walk.left = [...parts, ...walk.left]
    if (target.startsWith("/")) yield* go(walk, undefined, "")
  }
)

/** Makes a directory the one that is open, and closes the one before. */
const go = (walk: Walk, fd: number | undefined, path: string): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.suspend(() => {
    const { at } = walk
    if (fd === undefined) delete walk.at
    else walk.at = fd
    walk.path = path
    return at === undefined ? Effect.void : sys.close({ fd: at })
  })

const openComponent = (walk: Walk, dirfd: AnyFd, name: string, isLinked: boolean) => {
  const open = sys.openat({ dirfd, path: name, flags: O.PATH | O.DIRECTORY | O.NOFOLLOW | O.CLOEXEC, mode: 0 })
  if (!walk.make || isLinked) return open
  const made = sys.mkdirat({ dirfd, path: name, mode: rootMode }).pipe(
    Effect.andThen(sys.fchmodat({ dirfd, path: name, mode: rootMode })),
    orOn(["EEXIST"], undefined)
  )
  return open.pipe(onErrno(["ENOENT"], () => Effect.andThen(made, open)))
}

/** Judges the directory that was opened last, as one on the way or as the root itself. */
const judged = Effect.fnUntraced(
  function*(walk: Walk, found: Stat, at: { readonly dirfd: AnyFd; readonly name: string }, path: string) {
    const { effective, left, root } = walk
    if (left.length > 0) return yield* onTheWay(walk, found, path)
    yield* judge(found, effective, root)
    // made under a umask that removed the owner's own bits
    if (found.uid === effective && found.uid !== 0 && (found.mode & rootMode) !== rootMode) {
      yield* sys.fchmodat({ dirfd: at.dirfd, path: at.name, mode: rootMode })
    }
  }
)

/** Looks up one component. */
const advance = Effect.fnUntraced(function*(walk: Walk, part: string) {
  const dirfd = walk.at ?? AT.FDCWD
  const name = walk.at === undefined ? `/${part}` : part
  const path = `${walk.path}/${part}`
  walk.left = walk.left.slice(1)
  const isLinked = walk.linked > 0
  if (isLinked) walk.linked--
  const fd = yield* openComponent(walk, dirfd, name, isLinked).pipe(
    onErrno(["ENOTDIR", "ELOOP"], (refused) => Effect.as(follow(walk, dirfd, name, path, refused), undefined))
  )
  if (fd === undefined) return
  yield* Effect.onError(
    Effect.flatMap(stat(fd), (found) => judged(walk, found, { dirfd, name }, path)),
    () => Effect.ignore(sys.close({ fd }))
  )
  yield* go(walk, fd, path)
})

/** Looks up all components, from `top`, which is at `path`. */
const descend = Effect.fnUntraced(function*(walk: Walk, top: Stat, path: string) {
  yield* onTheWay(walk, top, "/")
  for (let [part] = walk.left; part !== undefined; [part] = walk.left) yield* advance(walk, part)
  if (walk.at !== undefined) return walk.at
  yield* judge(top, walk.effective, walk.root)
  return yield* sys.openat({ dirfd: AT.FDCWD, path, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 })
})

/** Opens a directory that no other user can write or exchange; nothing in it waits. */
const walkTo = Effect.fnUntraced(function*(root: string, make: boolean) {
  const { effective } = yield* sys.getresuid({})
  // an empty path names nothing
  const absolute = root.startsWith("/") || root === "" ? root : `${yield* sys.getcwd({})}/${root}`
  const path = absolute === "" ? "" : "/"
  const top = yield* sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.BASIC_STATS })
  const left = componentsOf(absolute)
  const walk: Walk = { root, make, effective, top: top.uid, path: "", left, linked: 0, links: 0 }
  return yield* Effect.onError(
    descend(walk, top, path),
    () => walk.at === undefined ? Effect.void : Effect.ignore(sys.close({ fd: walk.at }))
  )
})

/**
 * Opens the directory of the states (`O_PATH`). Fails with {@link StateUntrusted} if it, or a directory or link on the way to it,
 * belongs to anybody but root and the caller, or if anybody else can write there.
 *
 * @param make whether to make it, and what is missing above it, for its owner alone
 * @since 0.2.0
 */
export const openTrusted = (
  root: string,
  make: boolean
): Effect.Effect<number, SyscallError | StateUntrusted, Kernel> => Effect.uninterruptible(walkTo(root, make))
