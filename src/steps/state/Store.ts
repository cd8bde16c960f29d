/**
 * Where the states of containers are kept: each has a directory, `<root>/<id>`, with a file `state.json`.
 *
 * A file is replaced as a whole, so that a reader sees the old or the new one. Commands that remove a container take a lock
 * (`directory.ts`). The process that makes a container takes none, so that a container whose start hangs can be deleted. It
 * holds handles of the directory from the beginning ({@link Claim}). So it only writes and removes its own files, even if
 * others have deleted the container meanwhile and have used its id again. And undoing a start needs no further descriptor.
 *
 * @category state
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { AT, O, STATX } from "../../native/constants.ts"
import { entriesOf, stat, using, writeAll } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { pause } from "../cgroup/files.ts"
import { checkId, type ContainerId, isId } from "./ContainerId.ts"
import {
  directoryMode,
  inside,
  makeStateRoot,
  openEntry,
  openIn,
  pathOf,
  type StoreError,
  unlinkIfThere,
  withDirectory,
  withStateRoot
} from "./directory.ts"
import { advised, ContainerNotFound, IdInUse, type InvalidId, StateCorrupt } from "./errors.ts"
import { copyFile, draftOf, startGate, stateFile } from "./names.ts"
import { type RemovalError, removeDirectory, removeMade } from "./removal.ts"
import { decode, encode, type State } from "./State.ts"
import { readState } from "./stateText.ts"

export { checkId } from "./ContainerId.ts"
export { type StoreError, withLock } from "./directory.ts"
export { startGate, stateFile } from "./names.ts"
export { remove } from "./removal.ts"

/** The calls that the functions of this module may make. */
export const storeCalls = [
  "openat",
  "openat2",
  "close",
  "read",
  "write",
  "mkdirat",
  "renameat2",
  "unlinkat",
  "getdents64",
  "flock",
  "statx",
  "getresuid",
  "fchmod",
  "fchmodat",
  "getrandom",
  "nanosleep",
  "readlinkat",
  "getcwd"
] as const

// -- making a container -----------------------------------------------------------------------------------------------

/**
 * A container's directory, held by the process that has made it.
 *
 * @since 0.2.0
 */
export interface Claim {
  readonly id: string
  readonly path: string
  /** A readable handle of the directory. */
  readonly directory: number
  /** The directory's inode. */
  readonly inode: bigint
  /** The name of the next new file there, until it is complete. */
  readonly nextDraft: () => string
  /** Closes the handles, once. */
  readonly letGo: Effect.Effect<void, SyscallError, Kernel>
}

/** Closes descriptors, once: when a later step closes them again, other descriptors may have their numbers. */
const closing = (fds: ReadonlyArray<number>): Effect.Effect<void, SyscallError, Kernel> => {
  let open = true
  return Effect.uninterruptible(Effect.suspend(() => {
    if (!open) return Effect.void
    open = false
    return Effect.forEach(fds, (fd) => sys.close({ fd }), { discard: true })
  }))
}

/**
 * Makes the directory of a new container, and the root if it is missing, and writes the first state there. It must run in a
 * step: the rollback removes the directory if this step or a later one fails.
 *
 * Fails with {@link IdInUse}, {@link InvalidId}.
 *
 * @param first what is known before anything else is made
 */
export const create = Effect.fnUntraced(function*(
  root: string,
  id: string,
  first?: (inode: bigint) => State
): Effect.fn.Return<Claim, StoreError | InvalidId | IdInUse | ContainerNotFound, Kernel | Step.Rollback> {
  yield* checkId(id)
  // nothing here waits
  return yield* Effect.uninterruptible(make(root, id, first))
})

const make = Effect.fnUntraced(function*(root: string, id: string, first: ((inode: bigint) => State) | undefined) {
  const path = pathOf(root, id)
  const inUse = Effect.suspend(() => Effect.fail(new IdInUse({ id, path })))
  const rootFd = yield* makeStateRoot(root)
  const closeRoot = closing([rootFd])
  yield* Step.onRollback(closeRoot)
  yield* sys.mkdirat({ dirfd: rootFd, path: id, mode: directoryMode }).pipe(
    onErrno(["EEXIST"], () => inUse)
  )
  // if it is not empty, it is another container's: this one was deleted meanwhile
  const removeEmpty = sys.unlinkat({ dirfd: rootFd, path: id, flags: AT.REMOVEDIR }).pipe(
    orOn(["ENOENT", "ENOTEMPTY", "EEXIST"], undefined)
  )
  let undo: Effect.Effect<void, SyscallError, Kernel> = removeEmpty
  yield* Step.onRollback(Effect.suspend(() => undo))
  // the umask may have removed bits that a process of another user needs to reach its own files there
  yield* sys.fchmodat({ dirfd: rootFd, path: id, mode: directoryMode })
  const directory = yield* openIn(rootFd, id)
  const letGo = closing([directory])
  undo = Effect.ensuring(removeEmpty, Effect.ignore(letGo))
  const { ino: inode } = yield* stat(directory)
  const draft = yield* ownDraft
  let drafts = 0
  const nextDraft = () => `${draft}.${drafts++}`
  const claim: Claim = { id, path, directory, inode, nextDraft, letGo: Effect.andThen(letGo, closeRoot) }
  if (first !== undefined) {
    // if it was deleted before it was opened, and another start has made it again, the first one to write its state owns it
    yield* write(directory, { name: stateFile, draft: nextDraft() }, Buffer.from(encode(first(inode))), noReplace).pipe(
      onErrno(["EEXIST"], () => inUse),
      onErrno(["ENOENT"], () => Effect.fail(deletedMeanwhile(claim)))
    )
  }
  undo = Effect.ensuring(discard(claim, rootFd), Effect.ignore(letGo))
  return claim
})

const deletedMeanwhile = ({ id, path }: Claim): ContainerNotFound =>
  new ContainerNotFound({ id, path, meanwhile: true })

/** Removes a claimed directory, unless others have done so. Another container's of the same name stays. */
const discard = Effect.fnUntraced(
  function*({ directory, id, inode }: Claim, rootFd: number): Effect.fn.Return<void, SyscallError, Kernel> {
    yield* removeMade(directory, yield* entriesOf(directory))
    const named = yield* sys.statx({ dirfd: rootFd, path: id, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.INO })
    if (named.ino === inode) yield* sys.unlinkat({ dirfd: rootFd, path: id, flags: AT.REMOVEDIR })
  },
  orOn(["ENOENT"], undefined)
)

/**
 * Whether a claimed container is still there; fails with {@link ContainerNotFound} if another command has deleted it.
 * The process that deletes it removes what its state lists.
 *
 * @since 0.2.0
 */
export const checkClaim = (claim: Claim): Effect.Effect<void, SyscallError | ContainerNotFound, Kernel> =>
  Effect.flatMap(
    sys.statx({ dirfd: claim.directory, path: "", flags: AT.EMPTY_PATH, mask: STATX.NLINK }),
    ({ nlink }) => nlink === 0 ? Effect.fail(deletedMeanwhile(claim)) : Effect.void
  )

/**
 * Writes the state of a claimed container. Fails with {@link ContainerNotFound} if another has deleted it.
 *
 * @param whole whether the state is complete: then a copy is kept, too
 * @since 0.2.0
 */
export const saveIn = (
  claim: Claim,
  state: State,
  whole: boolean
): Effect.Effect<void, SyscallError | ContainerNotFound, Kernel> =>
  Effect.suspend(() => {
    const data = Buffer.from(encode(state))
    const as = (name: string) => write(claim.directory, { name, draft: claim.nextDraft() }, data, 0)
    return whole ? Effect.andThen(as(stateFile), as(copyFile)) : as(stateFile)
  }).pipe(
    // no file can be made in a directory that was removed
    onErrno(["ENOENT"], () => Effect.fail(deletedMeanwhile(claim)))
  )

// -- reading and writing ----------------------------------------------------------------------------------------------

/** `RENAME_NOREPLACE`: fails if the new name exists. @see rename(2) */
const noReplace = 1

/**
 * Writes the state of a container, and replaces the old one if there is one. The new file is complete before it gets the name.
 * It is not forced to the disk, because what it describes does not survive a reboot.
 */
export const save = (
  root: string,
  state: State
): Effect.Effect<void, StoreError | InvalidId | ContainerNotFound, Kernel> =>
  withDirectory(
    root,
    state.id,
    (dirfd) =>
      Effect.flatMap(ownDraft, (draft) => write(dirfd, { name: stateFile, draft }, Buffer.from(encode(state)), 0))
  )

/** A name of a new file that nobody else gives to one. */
const ownDraft = Effect.map(sys.getrandom({ count: 8 }), draftOf)

/** A file that is written under another name, its draft, until it is complete. */
interface Written {
  readonly name: string
  readonly draft: string
}

const write = Effect.fnUntraced(function*(dirfd: AnyFd, { draft, name }: Written, data: Uint8Array, flags: number) {
  const open = sys.openat2({
    dirfd,
    path: draft,
    flags: O.WRONLY | O.CREAT | O.EXCL | O.CLOEXEC,
    mode: 0o600,
    resolve: inside
  })
  const written = using(
    open,
    // the umask may have removed bits
    (fd) => Effect.andThen(sys.fchmod({ fd, mode: 0o600 }), writeAll(fd, data))
  )
  const move = (flags: number) =>
    sys.renameat2({ olddirfd: dirfd, oldpath: draft, newdirfd: dirfd, newpath: name, flags })
  // EINVAL: some file systems, such as those of a network, do not have this flag
  const moved = flags === 0 ? move(0) : move(flags).pipe(onErrno(["EINVAL"], () => move(0)))
  yield* Effect.onError(Effect.andThen(written, moved), () => Effect.exit(unlinkIfThere(dirfd, draft)))
}, advised)

/** What {@link load} can fail with. */
export type LoadError = StoreError | InvalidId | ContainerNotFound | StateCorrupt

/**
 * Reads the state of a container. Fails with {@link ContainerNotFound}, and with {@link StateCorrupt} if the directory
 * is there but its file is missing or damaged.
 */
export const load = (root: string, id: string): Effect.Effect<State, LoadError, Kernel> => loadFrom(root, id, stateFile)

/**
 * The copy of the state, for a container whose state file was damaged.
 *
 * @since 0.2.0
 */
export const loadCopy = (root: string, id: string): Effect.Effect<State, LoadError, Kernel> =>
  loadFrom(root, id, copyFile)

/** The state in the text of a state file, if it is that of the container of an id. */
const stateOf = (text: string, id: string, file: string): Effect.Effect<State, StateCorrupt> => {
  const state = decode(text)
  if (typeof state !== "string" && state.id === id) return Effect.succeed(state)
  const problem = typeof state === "string" ? state : `the file is of the container ${JSON.stringify(state.id)}`
  return Effect.fail(new StateCorrupt({ file, problem }))
}

/** For how long a directory without a state may be one that is just deleted, in milliseconds: its state is removed right before it. */
const lastMoment = 20

/** Fails with {@link ContainerNotFound} if a directory without a state is deleted now. */
const whileThere = Effect.fnUntraced(function*(dirfd: AnyFd, id: string, path: string) {
  for (let slept = 0;; slept += yield* pause(5)) {
    if ((yield* stat(dirfd)).nlink === 0) return yield* new ContainerNotFound({ id, path })
    if (slept >= lastMoment) return
  }
})

const loadFrom = (root: string, id: string, name: string): Effect.Effect<State, LoadError, Kernel> =>
  orNoDirectory(root, id)(withDirectory(root, id, (dirfd) => loadIn(dirfd, root, id, name)))

/** Reads a state in a container's directory. */
const loadIn = Effect.fnUntraced(function*(dirfd: AnyFd, root: string, id: string, name: string) {
  const path = pathOf(root, id)
  const file = `${path}/${name}`
  const text = yield* readState(dirfd, name, file).pipe(
    Effect.catchTag("StateCorrupt", (error) =>
      error.missing === true
        ? Effect.andThen(whileThere(dirfd, id, path), Effect.fail(error))
        : Effect.fail(error))
  )
  return yield* stateOf(text, id, file)
})

const orNoDirectory = (root: string, id: string) =>
  onErrno(
    ["ENOTDIR", "ELOOP"],
    () => Effect.fail(new StateCorrupt({ file: pathOf(root, id), problem: "it is not a directory" }))
  )

/** Whether a directory is still that of a container, and not a later one's. That can't change while the lock is held. */
const isOf = Effect.fnUntraced(
  function*(dirfd: AnyFd, root: string, state: State): Effect.fn.Return<boolean, SyscallError | StateCorrupt, Kernel> {
    if (state.directory !== undefined && (yield* stat(dirfd)).ino !== state.directory) return false
    const file = `${pathOf(root, state.id)}/${stateFile}`
    const text = yield* readState(dirfd, stateFile, file)
    return text === encode(state) || (yield* stateOf(text, state.id, file)).nonce === state.nonce
  },
  // the file was damaged, but the directory is the same
  Effect.catchTag("StateCorrupt", () => Effect.succeed(true))
)

/**
 * Removes the directory of a container, as {@link remove} does; if the directory of its id is a later container's by now, that one stays.
 *
 * @since 0.2.0
 */
export const removeOf = (root: string, state: State): Effect.Effect<void, RemovalError, Kernel> =>
  removeDirectory(root, state.id, { isMeant: (dirfd) => isOf(dirfd, root, state) })

/**
 * The inode of a container's directory.
 *
 * @since 0.2.0
 */
export const inodeOf = (
  root: string,
  id: string
): Effect.Effect<bigint, StoreError | InvalidId | ContainerNotFound, Kernel> =>
  Effect.map(withDirectory(root, id, stat), ({ ino }) => ino)

/** Whether the container's process waits to be started. */
export const isGated = (
  root: string,
  id: string
): Effect.Effect<boolean, StoreError | InvalidId | ContainerNotFound, Kernel> =>
  withDirectory(
    root,
    id,
    (dirfd) =>
      sys.statx({ dirfd, path: startGate, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.TYPE }).pipe(
        Effect.as(true),
        orOn(["ENOENT"], false)
      )
  )

/** One container of a list: its state, or why that can't be read. */
export type Entry =
  | { readonly id: ContainerId; readonly state: State }
  | { readonly id: ContainerId; readonly error: Exclude<LoadError, ContainerNotFound> }

/**
 * All containers below a root, by id. One that can't be read is reported with the reason; one that is deleted meanwhile is left
 * out. A root that does not exist has none.
 */
export const list = (root: string): Effect.Effect<ReadonlyArray<Entry>, StoreError, Kernel> =>
  withStateRoot(root, (rootFd) => entriesIn(rootFd, root)).pipe(orOn(["ENOENT"], []))

const entriesIn = Effect.fnUntraced(function*(rootFd: AnyFd, root: string) {
  const names = yield* using(openIn(rootFd, "."), entriesOf)
  const entries: Array<Entry> = []
  for (const { name: id, type } of names.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
    if (!["d", "l", "?"].includes(type) || !isId(id)) continue
    const one = using(openEntry(rootFd, root, id), (dirfd) => loadIn(dirfd, root, id, stateFile)).pipe(
      orNoDirectory(root, id),
      onErrno(["ENOENT"], () => Effect.fail(new ContainerNotFound({ id, path: pathOf(root, id) })))
    )
    const result = yield* Effect.result(one)
    if (result._tag === "Success") entries.push({ id, state: result.success })
    else if (result.failure._tag !== "ContainerNotFound") entries.push({ id, error: result.failure })
  }
  return entries
})
