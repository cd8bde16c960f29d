/**
 * The directories of the states: the root, and a directory for each container. All look-ups start from a handle of the root
 * and follow no link.
 *
 * @category state
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { AT, LOCK, O, RESOLVE, STATX } from "../../native/constants.ts"
import { keeping, stat, using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { pause } from "../cgroup/files.ts"
import { checkId } from "./ContainerId.ts"
import { ContainerNotFound, type InvalidId, StateLocked, type StateUntrusted } from "./errors.ts"
import { judge, openTrusted } from "./trusted.ts"

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

/** Opens the root, if nobody but root and the caller can write there or exchange it. */
const openStateRoot = (root: string): Effect.Effect<number, StoreError, Kernel> => openTrusted(root, false)

/**
 * Opens the root like {@link openStateRoot}; makes it, and what is missing above it, for the caller alone.
 *
 * @since 0.2.0
 */
export const makeStateRoot = (root: string): Effect.Effect<number, StoreError, Kernel> => openTrusted(root, true)

/** The root that an act holds open. */
interface HeldRoot {
  readonly root: string
  readonly fd: number
  /** A fiber that the act has started may outlive it. */
  isOpen: boolean
}

const Held = Context.Reference<HeldRoot | undefined>("runfx/steps/HeldStateRoot", { defaultValue: () => undefined })

/**
 * Runs `use` with a handle of the root: the one that the act holds, or else one that is opened for it.
 *
 * @since 0.2.0
 */
export const withStateRoot = <A, E, R>(
  root: string,
  use: (fd: AnyFd) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | StoreError, R | Kernel> =>
  Effect.withFiber((fiber) => {
    const held = fiber.getRef(Held)
    return held?.isOpen === true && held.root === root ? use(held.fd) : using(openStateRoot(root), use)
  })

/** Runs an act with one handle of the root, so that the way there is walked and judged once. */
const holdingRoot = <E, A, E2, R>(
  root: string,
  open: Effect.Effect<number, E, Kernel>,
  act: Effect.Effect<A, E2, R>
): Effect.Effect<A, E | E2 | SyscallError, R | Kernel> =>
  using(open, (fd) => {
    const held: HeldRoot = { root, fd, isOpen: true }
    return Effect.ensuring(
      Effect.provideService(act, Held, held),
      Effect.sync(() => void (held.isOpen = false))
    )
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

const judgeEntry = Effect.fnUntraced(function*(fd: number, path: string) {
  const found = yield* stat(fd)
  // root's is trusted no matter who asks
  const effective = found.uid === 0 ? 0 : (yield* sys.getresuid({})).effective
  yield* judge(found, effective, path)
})

/**
 * Opens a container's directory, if nobody but root and the caller can write there. One of the caller that was made under a umask of
 * 0777 gets its proper mode first.
 *
 * @since 0.2.0
 */
export const openEntry = (rootFd: AnyFd, root: string, id: string): Effect.Effect<number, StoreError, Kernel> =>
  keeping(
    openIn(rootFd, id).pipe(
      onErrno(["EACCES"], (refused) =>
        sys.fchmodat({ dirfd: rootFd, path: id, mode: directoryMode }).pipe(
          Effect.mapError(() => refused),
          Effect.andThen(openIn(rootFd, id))
        ))
    ),
    (fd) => judgeEntry(fd, pathOf(root, id))
  )

/** Opens a container's directory; closes it again if the root can't be closed. */
const openById = (root: string, id: string): Effect.Effect<number, StoreError, Kernel> =>
  Effect.suspend(() => {
    let own: number | undefined
    const opened = withStateRoot(root, (fd) =>
      Effect.tap(openEntry(fd, root, id), (entry) => Effect.sync(() => own = entry)))
    return Effect.onError(opened, () =>
      own === undefined ? Effect.void : Effect.ignore(sys.close({ fd: own })))
  })

const orNotFound = (root: string, id: string) =>
  onErrno(["ENOENT"], () => Effect.fail(new ContainerNotFound({ id, path: pathOf(root, id) })))

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
      openById(root, id).pipe(orNotFound(root, id)),
      use,
      (fd) => sys.close({ fd })
    )
  )

/**
 * Runs an effect while it holds the lock on a container. If another command holds it for longer than `milliseconds`, fails with
 * {@link StateLocked}; if that one has deleted the container, fails with {@link ContainerNotFound}.
 */
export const withLock = <A, E, R>(
  root: string,
  id: string,
  use: Effect.Effect<A, E, R>,
  { milliseconds }: { readonly milliseconds?: number } = {}
): Effect.Effect<A, E | StoreError | InvalidId | ContainerNotFound | StateLocked, R | Kernel> => {
  const act = withDirectory(root, id, (fd) => locked(fd, id, pathOf(root, id), use, milliseconds))
  return Effect.andThen(checkId(id), holdingRoot(root, openStateRoot(root).pipe(orNotFound(root, id)), act))
}

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
 */
const locked = <A, E, R>(
  fd: AnyFd,
  id: string,
  path: string,
  use: Effect.Effect<A, E, R>,
  milliseconds: number = lockPatience
): Effect.Effect<A, E | SyscallError | ContainerNotFound | StateLocked, R | Kernel> =>
  Effect.acquireUseRelease(
    Effect.void,
    () => Effect.andThen(takeNamed(fd, id, path, milliseconds), use),
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

/** Takes the lock on a directory that still has a name. */
const takeNamed = Effect.fnUntraced(function*(fd: AnyFd, id: string, path: string, milliseconds: number) {
  yield* take(fd, id, milliseconds)
  const { nlink } = yield* sys.statx({ dirfd: fd, path: "", flags: AT.EMPTY_PATH, mask: STATX.NLINK })
  if (nlink === 0) return yield* new ContainerNotFound({ id, path })
})

/**
 * Removes a file; does nothing if it is gone.
 *
 * @since 0.2.0
 */
export const unlinkIfThere = (dirfd: AnyFd, path: string): Effect.Effect<void, SyscallError, Kernel> =>
  sys.unlinkat({ dirfd, path, flags: 0 }).pipe(orOn(["ENOENT"], undefined))
