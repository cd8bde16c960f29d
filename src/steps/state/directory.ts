/**
 * The directories of the states: the root, and a directory for each container. All look-ups start from a handle of the root
 * and follow no link.
 *
 * @category state
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { AT, LOCK, O, RESOLVE, STATX } from "../../native/constants.ts"
import { entriesOf, keeping, stat, using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { pause } from "../cgroup/files.ts"
import { checkId } from "./ContainerId.ts"
import { ContainerNotFound, type InvalidId, StateLocked, StateUntrusted } from "./errors.ts"

/**
 * How every look-up below the root is done.
 *
 * @since 0.2.0
 */
export const inside = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS

/** What every access can fail with. */
export type StoreError = SyscallError | StateUntrusted

/**
 * Where a container's directory is.
 *
 * @since 0.2.0
 */
export const pathOf = (root: string, id: string): string => `${root}/${id}`

/**
 * Opens the root, if it belongs to the caller or root, and nobody else may write there: a forged state would have the caller
 * kill and remove what another user chose.
 *
 * @since 0.2.0
 */
export const openStateRoot = (root: string): Effect.Effect<number, StoreError, Kernel> =>
  keeping(
    sys.openat({ dirfd: AT.FDCWD, path: root, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 }),
    (fd) => checkRoot(root, fd)
  )

const checkRoot = Effect.fnUntraced(function*(root: string, fd: AnyFd) {
  const { mode, uid } = yield* stat(fd)
  const { effective } = yield* sys.getresuid({})
  const bits = mode & 0o7777
  if ((uid !== 0 && uid !== effective) || (bits & 0o022) !== 0) {
    return yield* new StateUntrusted({ path: root, owner: uid, mode: bits })
  }
  // made under a umask that removed the owner's own bits
  if (uid === effective && uid !== 0 && (bits & 0o700) !== 0o700) {
    yield* sys.fchmodat({ dirfd: AT.FDCWD, path: root, mode: 0o700 })
  }
})

/**
 * The mode of a container's directory: its processes of other users may search it, but not list it.
 *
 * @since 0.2.0
 */
export const directoryMode = 0o711

/**
 * Opens a directory for reading, since flock(2) and getdents(2) accept no `O_PATH` handle.
 *
 * @since 0.2.0
 */
export const openIn = (dirfd: AnyFd, name: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({ dirfd, path: name, flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: inside })

/** Like {@link openIn}; a directory of the caller that was made under a umask of 0777 gets its proper mode first. */
const openOwn = (dirfd: AnyFd, name: string): Effect.Effect<number, SyscallError, Kernel> =>
  openIn(dirfd, name).pipe(
    onErrno(["EACCES"], (refused) =>
      sys.fchmodat({ dirfd, path: name, mode: directoryMode }).pipe(
        Effect.mapError(() => refused),
        Effect.andThen(openIn(dirfd, name))
      ))
  )

/**
 * Makes the root and what is missing above it; only the owner may look into it, no matter what the umask is.
 *
 * @since 0.2.0
 */
export const makeStateRoot = (root: string): Effect.Effect<void, SyscallError, Kernel> => {
  const make = sys.mkdirat({ dirfd: AT.FDCWD, path: root, mode: 0o700 }).pipe(
    Effect.andThen(sys.fchmodat({ dirfd: AT.FDCWD, path: root, mode: 0o700 })),
    orOn(["EEXIST"], undefined)
  )
  return make.pipe(onErrno(["ENOENT"], (error) => {
    const end = root.lastIndexOf("/")
    return end <= 0 ? Effect.fail(error) : Effect.andThen(makeStateRoot(root.slice(0, end)), make)
  }))
}

/** Opens a container's directory; closes it again if the root can't be closed. */
const openEntry = (root: string, id: string): Effect.Effect<number, StoreError, Kernel> =>
  Effect.suspend(() => {
    let own: number | undefined
    const opened = using(openStateRoot(root), (fd) =>
      Effect.tap(openOwn(fd, id), (entry) => Effect.sync(() => own = entry)))
    return Effect.onError(opened, () =>
      own === undefined ? Effect.void : Effect.ignore(sys.close({ fd: own })))
  })

/**
 * Runs `use` with a handle of a container's directory.
 *
 * @since 0.2.0
 */
export const withDirectory = <A, E, R>(
  root: string,
  id: string,
  use: (fd: AnyFd) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | StoreError | InvalidId | ContainerNotFound, R | Kernel> =>
  Effect.andThen(
    checkId(id),
    Effect.acquireUseRelease(
      openEntry(root, id).pipe(
        onErrno(["ENOENT"], () => Effect.fail(new ContainerNotFound({ id, path: pathOf(root, id) })))
      ),
      use,
      (fd) => sys.close({ fd })
    )
  )

/** How long to wait for another command, in milliseconds. */
const lockPatience = 10_000

/**
 * Runs an effect while it holds the lock on a directory. Fails with {@link StateLocked} if another command holds the lock for
 * longer than `milliseconds`, and with {@link ContainerNotFound} if that one has deleted the container: then the directory has
 * no name any more.
 *
 * The kernel releases the lock with the descriptor, so a command that dies leaves none behind. Here it is released explicitly,
 * since a process that was forked meanwhile has a copy of the descriptor.
 *
 * @see flock(2)
 * @since 0.2.0
 */
export const locked = <A, E, R>(
  fd: AnyFd,
  id: string,
  path: string,
  use: Effect.Effect<A, E, R>,
  milliseconds: number = lockPatience
): Effect.Effect<A, E | SyscallError | ContainerNotFound | StateLocked, R | Kernel> =>
  Effect.acquireUseRelease(
    Effect.void,
    () =>
      Effect.gen(function*() {
        yield* take(fd, id, milliseconds)
        const { nlink } = yield* sys.statx({ dirfd: fd, path: "", flags: AT.EMPTY_PATH, mask: STATX.NLINK })
        if (nlink === 0) return yield* new ContainerNotFound({ id, path })
        return yield* use
      }),
    () => sys.flock({ fd, operation: LOCK.UN })
  )

const take = Effect.fnUntraced(function*(fd: AnyFd, id: string, milliseconds: number) {
  let slept = 0
  for (let sleep = 1;; sleep = Math.min(sleep * 2, 50)) {
    const taken = yield* sys.flock({ fd, operation: LOCK.EX | LOCK.NB }).pipe(Effect.as(true), orOn(["EAGAIN"], false))
    if (taken) return
    if (slept >= milliseconds) return yield* new StateLocked({ id, milliseconds: slept })
    slept += yield* pause(sleep)
  }
})

/** How deep directories are removed. runfx makes none below a container's: this is for what others have put there. */
const maxDepth = 32

/**
 * Removes a file; does nothing if it is gone.
 *
 * @since 0.2.0
 */
export const unlinkIfThere = (dirfd: AnyFd, path: string): Effect.Effect<void, SyscallError, Kernel> =>
  sys.unlinkat({ dirfd, path, flags: 0 }).pipe(orOn(["ENOENT"], undefined))

/**
 * Removes what has a name: a directory with all that is in it, or anything else.
 *
 * @since 0.2.0
 */
export const removeTree = (
  parent: number,
  name: string,
  last: string,
  depth: number = maxDepth
): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.andThen(
    using(openOwn(parent, name), (dirfd) => removeContents(dirfd, last, depth)),
    sys.unlinkat({ dirfd: parent, path: name, flags: AT.REMOVEDIR })
  ).pipe(onErrno(["ENOTDIR", "ELOOP"], () => unlinkIfThere(parent, name)))

/**
 * Removes all that is in an open directory, and the entry named `last` at the end.
 *
 * @since 0.2.0
 */
export const removeContents = (
  dirfd: AnyFd,
  last: string,
  depth: number = maxDepth
): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const rank = ({ name }: { readonly name: string }) => name === last ? 1 : 0
    for (const { name, type } of (yield* entriesOf(dirfd)).toSorted((a, b) => rank(a) - rank(b))) {
      const isDirectory = (type === "d" || type === "?") && depth > 0
      yield* isDirectory ? removeTree(dirfd, name, last, depth - 1) : unlinkIfThere(dirfd, name)
    }
  })
