/**
 * Directories below the root that have no state: the rest of an interrupted start, or a directory that no container has made, if
 * the root is some other directory of the caller.
 *
 * @category state
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { AT } from "../../native/constants.ts"
import { entriesOf, stat, using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { checkId } from "./ContainerId.ts"
import {
  directoryMode,
  openIn,
  openStateRoot,
  pathOf,
  type StoreError,
  unlinkIfThere,
  withDirectory
} from "./directory.ts"
import { type ContainerNotFound, type InvalidId, NoContainer } from "./errors.ts"
import { draft } from "./Store.ts"

/** What is in a directory besides drafts of a state: a start that was interrupted before its first state leaves nothing else. */
const foreignIn = (dirfd: AnyFd): Effect.Effect<ReadonlyArray<string>, SyscallError, Kernel> =>
  Effect.map(
    using(openIn(dirfd, "."), entriesOf),
    (entries) => entries.map(({ name }) => name).filter((name) => !name.startsWith(draft))
  )

/**
 * Whether a directory without a state is the rest of an interrupted start: it is the caller's own, has the mode that a start
 * gives it, and has nothing else in it. Other directories have no state, either.
 *
 * @since 0.2.0
 */
export const isUnwritten = (
  root: string,
  id: string
): Effect.Effect<boolean, StoreError | InvalidId | ContainerNotFound, Kernel> =>
  withDirectory(root, id, (dirfd) =>
    Effect.gen(function*() {
      const { mode, uid } = yield* stat(dirfd)
      const { effective } = yield* sys.getresuid({})
      return uid === effective && (mode & 0o7777) === directoryMode && (yield* foreignIn(dirfd)).length === 0
    }))

/**
 * Removes a directory without a state, and the drafts in it. If it holds anything else, it is no container's: it stays, and this
 * fails with {@link NoContainer}. Nothing is removed recursively.
 *
 * @since 0.2.0
 */
export const removeUnwritten = (
  root: string,
  id: string
): Effect.Effect<void, StoreError | InvalidId | NoContainer, Kernel> =>
  Effect.andThen(
    checkId(id),
    using(openStateRoot(root), (rootFd) =>
      Effect.gen(function*() {
        yield* using(openIn(rootFd, id), (dirfd) =>
          Effect.gen(function*() {
            const holds = yield* foreignIn(dirfd)
            if (holds.length > 0) return yield* new NoContainer({ path: pathOf(root, id), holds })
            const drafts = yield* using(openIn(dirfd, "."), entriesOf)
            yield* Effect.forEach(drafts, ({ name }) => unlinkIfThere(dirfd, name), { discard: true })
          }))
        yield* sys.unlinkat({ dirfd: rootFd, path: id, flags: AT.REMOVEDIR })
      })).pipe(orOn(["ENOENT"], undefined))
  )
