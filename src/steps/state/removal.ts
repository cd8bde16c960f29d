/**
 * Removes the directory of a container: what a start makes there, and nothing else. The root can be some other directory of the caller,
 * given by mistake, whose directories are no containers. So nothing is removed recursively, and a directory that holds anything
 * else stays as it is.
 *
 * @category state
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { AT } from "../../native/constants.ts"
import { entriesOf, stat, using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import type { DirectoryEntry } from "../../native/results.ts"
import { checkId } from "./ContainerId.ts"
import {
  directoryMode,
  openEntry,
  pathOf,
  type StoreError,
  unlinkIfThere,
  withDirectory,
  withStateRoot
} from "./directory.ts"
import { type ContainerNotFound, IdInUse, type InvalidId, NoContainer } from "./errors.ts"
import { isDraft, isMade, stateFile } from "./names.ts"

/**
 * Removes what a start has made of these entries. The state file is the last, so that an interrupted removal can be repeated by id.
 */
export const removeMade = (
  dirfd: AnyFd,
  entries: ReadonlyArray<DirectoryEntry>
): Effect.Effect<void, SyscallError, Kernel> => {
  const rank = ({ name }: DirectoryEntry) => name === stateFile ? 1 : 0
  const made = entries.filter(isMade).toSorted((a, b) => rank(a) - rank(b))
  return Effect.forEach(made, ({ name }) => unlinkIfThere(dirfd, name), { discard: true })
}

/** The entries of a directory; fails with {@link NoContainer} if it holds what no start has made. */
const checked = Effect.fnUntraced(function*(dirfd: AnyFd, path: string) {
  const entries = yield* entriesOf(dirfd)
  const holds = entries.filter((entry) => !isMade(entry)).map(({ name }) => name)
  return holds.length === 0 ? entries : yield* new NoContainer({ path, holds })
})

/** What a removal can fail with. */
export type RemovalError = StoreError | InvalidId | NoContainer

const orNoDirectory = (path: string) =>
  onErrno(["ENOTDIR", "ELOOP"], () => Effect.fail(new NoContainer({ path, holds: [] })))

/** What decides whether a directory is removed. */
interface Conditions<E> {
  /** Whether it is the one that is meant; if not, it stays as it is. */
  readonly isMeant?: (dirfd: AnyFd) => Effect.Effect<boolean, E, Kernel>
  /** Fails if what it holds is to stay. */
  readonly check?: (entries: ReadonlyArray<DirectoryEntry>) => Effect.Effect<void, E>
}

/** Whether the conditions were met, and the directory is empty now. */
const emptied = Effect.fnUntraced(function*<E>(
  dirfd: AnyFd,
  path: string,
  { check = () => Effect.void, isMeant = () => Effect.succeed(true) }: Conditions<E>
): Effect.fn.Return<boolean, SyscallError | NoContainer | E, Kernel> {
  if (!(yield* isMeant(dirfd))) return false
  const entries = yield* checked(dirfd, path)
  yield* check(entries)
  yield* removeMade(dirfd, entries)
  return true
})

/** Removes the directory of an id, if the conditions are met. All of that is done by one handle of it. */
export const removeDirectory = <E = never>(
  root: string,
  id: string,
  conditions: Conditions<E> = {}
): Effect.Effect<void, RemovalError | E, Kernel> =>
  Effect.andThen(
    checkId(id),
    withStateRoot(root, (rootFd) => {
      const path = pathOf(root, id)
      const removal = Effect.flatMap(
        orNoDirectory(path)(using(openEntry(rootFd, root, id), (dirfd) => emptied(dirfd, path, conditions))),
        (isEmpty) => isEmpty ? sys.unlinkat({ dirfd: rootFd, path: id, flags: AT.REMOVEDIR }) : Effect.void
      )
      // an unfinished start may write its state once more; its next write finds the directory gone
      return [1, 2, 3].reduce((tried) => onErrno(["ENOTEMPTY", "EEXIST"], () => removal)(tried), removal)
    }).pipe(orOn(["ENOENT"], undefined))
  )

/**
 * Removes the directory of a container. What is gone already is no failure. Fails with {@link NoContainer}, and removes nothing, if it
 * holds what no start makes, or is no directory.
 */
export const remove = (root: string, id: string): Effect.Effect<void, RemovalError, Kernel> => removeDirectory(root, id)

/** As {@link remove}, if there is no state. One that is there by now belongs to a start that has just begun: {@link IdInUse}. */
export const removeUnwritten = (root: string, id: string): Effect.Effect<void, RemovalError | IdInUse, Kernel> =>
  removeDirectory<IdInUse>(root, id, {
    check: (entries) => entries.every(isDraft) ? Effect.void : Effect.fail(new IdInUse({ id, path: pathOf(root, id) }))
  })

/** Fails with {@link NoContainer} if {@link remove} would. */
export const checkRemovable = (
  root: string,
  id: string
): Effect.Effect<void, RemovalError | ContainerNotFound, Kernel> => {
  const path = pathOf(root, id)
  return withDirectory(root, id, (dirfd) => Effect.asVoid(checked(dirfd, path))).pipe(orNoDirectory(path))
}

/**
 * Whether a directory without a state is the rest of an interrupted start: it is the caller's own, has the mode that a start
 * gives it, and has nothing else in it. Other directories have no state, either.
 */
export const isUnwritten = (
  root: string,
  id: string
): Effect.Effect<boolean, StoreError | InvalidId | ContainerNotFound, Kernel> =>
  withDirectory(root, id, (dirfd) =>
    Effect.gen(function*() {
      const { mode, uid } = yield* stat(dirfd)
      const { effective } = yield* sys.getresuid({})
      return uid === effective && (mode & 0o7777) === directoryMode && (yield* entriesOf(dirfd)).every(isDraft)
    }))
