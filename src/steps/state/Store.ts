/**
 * Where the states of containers are kept: a directory each, `<root>/<id>`, with a file `state.json`.
 *
 * A file is replaced as a whole, so that whoever reads it sees the old or the new one. All look-ups go down from a handle
 * of the root and follow no link. Commands on the same container take a lock.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { AT, LOCK, O, RESOLVE, STATX } from "../../native/constants.ts"
import { keeping, readAll, stat, using, writeAll } from "../../native/Files.ts"
import { type Kernel, onErrno, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { pause } from "../cgroup/files.ts"
import { ContainerNotFound, IdInUse, InvalidId, StateCorrupt, StateLocked, StateUntrusted } from "./errors.ts"
import { decode, encode, type State } from "./State.ts"

/** The name of the state file in a container's directory. */
export const stateFile = "state.json"

/**
 * The name that stands in a container's directory as long as its process has been made but was not started: `created`
 * rather than `running`.
 */
export const startGate = "exec.fifo"

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
  "nanosleep"
] as const

const idPattern = /^[A-Za-z0-9_+.-]{1,1024}$/

/** Whether a text can be a container's id. */
export const isId = (id: string): boolean => idPattern.test(id) && id !== "." && id !== ".."

/** An id, or {@link InvalidId}. */
export const checkId = (id: string): Effect.Effect<string, InvalidId> =>
  isId(id) ? Effect.succeed(id) : Effect.fail(new InvalidId({ id }))

/** Where states are kept if nobody says otherwise: `/run/runfx` for root, else below `$XDG_RUNTIME_DIR`. */
export const defaultRoot = (
  euid: number,
  environment: { readonly XDG_RUNTIME_DIR?: string | undefined }
): string => {
  if (euid === 0) return "/run/runfx"
  return `${environment.XDG_RUNTIME_DIR || `/run/user/${euid}`}/runfx`
}

const inside = RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS

/** What every access can fail with. */
export type StoreError = SyscallError | StateUntrusted

/** Opens the root, if it is the caller's or root's, and nobody else may write there: a forged state is a weapon. */
const openRoot = (root: string): Effect.Effect<number, StoreError, Kernel> =>
  keeping(openAnyRoot(root), (fd) => checkRoot(root, fd))

const checkRoot = Effect.fnUntraced(function*(root: string, fd: number) {
  const { mode, uid } = yield* stat(fd)
  const { effective } = yield* sys.getresuid({})
  const bits = mode & 0o7777
  if ((uid !== 0 && uid !== effective) || (bits & 0o022) !== 0) {
    return yield* new StateUntrusted({ path: root, owner: uid, mode: bits })
  }
})

const openAnyRoot = (root: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat({ dirfd: AT.FDCWD, path: root, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 })

/** A readable handle, since flock(2) takes no `O_PATH` one. */
const openIn = (dirfd: number, name: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({ dirfd, path: name, flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: inside })

const pathOf = (root: string, id: string): string => `${root}/${id}`

/** Runs `use` with a handle of a container's directory. */
const withDirectory = <A, E, R>(
  root: string,
  id: string,
  use: (fd: number) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | StoreError | InvalidId | ContainerNotFound, R | Kernel> =>
  Effect.andThen(
    checkId(id),
    Effect.acquireUseRelease(
      using(openRoot(root), (fd) => openIn(fd, id)).pipe(
        onErrno(["ENOENT"], () => Effect.fail(new ContainerNotFound({ id, path: pathOf(root, id) })))
      ),
      use,
      (fd) => sys.close({ fd })
    )
  )

/** Makes the root and what is missing above it; only the owner may look into it. */
const makeRoot = (root: string): Effect.Effect<void, SyscallError, Kernel> => {
  const make = sys.mkdirat({ dirfd: AT.FDCWD, path: root, mode: 0o700 }).pipe(orOn(["EEXIST"], undefined))
  return make.pipe(onErrno(["ENOENT"], (error) => {
    const end = root.lastIndexOf("/")
    return end <= 0 ? Effect.fail(error) : Effect.andThen(makeRoot(root.slice(0, end)), make)
  }))
}

/**
 * Makes the directory of a new container, and the root where it is missing. Run inside of a step: the directory is
 * registered to be removed, should this step or a later one fail.
 *
 * Gives its path. Fails with {@link IdInUse}, {@link InvalidId}.
 */
export const create = (
  root: string,
  id: string
): Effect.Effect<string, StoreError | InvalidId | IdInUse, Kernel | Step.Rollback> =>
  Effect.gen(function*() {
    yield* checkId(id)
    const path = pathOf(root, id)
    yield* makeRoot(root)
    yield* using(openRoot(root), (dirfd) =>
      Effect.uninterruptible(
        sys.mkdirat({ dirfd, path: id, mode: 0o711 }).pipe(
          onErrno(["EEXIST"], () => Effect.fail(new IdInUse({ id, path }))),
          Effect.andThen(Step.onRollback(remove(root, id)))
        )
      ).pipe(
        // the process's umask may have taken bits away that a process of another user needs to reach its own files there
        Effect.andThen(using(openIn(dirfd, id), (fd) => sys.fchmod({ fd, mode: 0o711 })))
      ))
    return path
  })

/** A name of this length for the file that replaces the other; one command holds the lock, so one is enough. */
const draft = `.${stateFile}.new`

/**
 * Writes the state of a container, the old one or none before it. The new file is complete before it takes the place
 * of the old one. It is not forced to the disk: what it tells of does not outlive the machine's next start.
 */
export const save = (
  root: string,
  state: State
): Effect.Effect<void, StoreError | InvalidId | ContainerNotFound, Kernel> =>
  withDirectory(root, state.id, (dirfd) => replace(dirfd, encode(state)))

const replace = Effect.fnUntraced(function*(dirfd: number, text: string) {
  const discard = unlinkIfThere(dirfd, draft)
  const flags = O.WRONLY | O.CREAT | O.EXCL | O.CLOEXEC
  const open = sys.openat2({ dirfd, path: draft, flags, mode: 0o600, resolve: inside })
  // one that is there was left behind by a command that was killed
  const fresh = open.pipe(onErrno(["EEXIST"], () => Effect.andThen(discard, open)))
  const written = using(fresh, (fd) => writeAll(fd, Buffer.from(text)))
  const moved = sys.renameat2({ olddirfd: dirfd, oldpath: draft, newdirfd: dirfd, newpath: stateFile, flags: 0 })
  yield* Effect.onError(Effect.andThen(written, moved), () => Effect.exit(discard))
})

const unlinkIfThere = (dirfd: number, path: string): Effect.Effect<void, SyscallError, Kernel> =>
  sys.unlinkat({ dirfd, path, flags: 0 }).pipe(orOn(["ENOENT"], undefined))

/** What {@link load} can fail with. */
export type LoadError = StoreError | InvalidId | ContainerNotFound | StateCorrupt

/**
 * Reads the state of a container. Fails with {@link ContainerNotFound}, and with {@link StateCorrupt} where the directory
 * is there but its file is missing or damaged.
 */
export const load = (root: string, id: string): Effect.Effect<State, LoadError, Kernel> =>
  withDirectory(root, id, (dirfd) =>
    Effect.gen(function*() {
      const file = `${pathOf(root, id)}/${stateFile}`
      const open = sys.openat2({
        dirfd,
        path: stateFile,
        // not blocked by a fifo that somebody has put there
        flags: O.RDONLY | O.CLOEXEC | O.NONBLOCK,
        mode: 0,
        resolve: inside
      })
      const text = yield* using(open, readAll).pipe(
        Effect.map((bytes) => bytes.toString("utf8")),
        onErrno(["ENOENT"], () => {
          const problem =
            "the file is missing: a command that was making or deleting this container was cut short, or is at it"
          return Effect.fail(new StateCorrupt({ file, problem }))
        })
      )
      const state = decode(text)
      if (typeof state === "string") return yield* new StateCorrupt({ file, problem: state })
      if (state.id !== id) {
        const problem = `the file is of the container ${JSON.stringify(state.id)}`
        return yield* new StateCorrupt({ file, problem })
      }
      return state
    }))

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

/** How deep directories are removed; runfx makes none below a container's, so this is for what others put there. */
const maxDepth = 32

/**
 * Removes the directory of a container with all that is in it. What is gone already is no failure. The state file goes
 * last, so that a removal that was cut short can be repeated by id.
 */
export const remove = (root: string, id: string): Effect.Effect<void, StoreError | InvalidId, Kernel> =>
  Effect.andThen(
    checkId(id),
    using(openRoot(root), (dirfd) => removeTree(dirfd, id, maxDepth)).pipe(orOn(["ENOENT"], undefined))
  )

const removeTree = (parent: number, name: string, depth: number): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.andThen(
    using(openIn(parent, name), (dirfd) => empty(dirfd, depth)),
    sys.unlinkat({ dirfd: parent, path: name, flags: AT.REMOVEDIR })
  )

const empty = Effect.fnUntraced(function*(dirfd: number, depth: number) {
  const rank = ({ name }: { readonly name: string }) => name === stateFile ? 1 : 0
  for (const entry of (yield* entriesOf(dirfd)).toSorted((a, b) => rank(a) - rank(b))) {
    if (entry.type === "d" && depth > 0) yield* removeTree(dirfd, entry.name, depth - 1)
    else yield* unlinkIfThere(dirfd, entry.name)
  }
})

const entriesOf = Effect.fnUntraced(function*(fd: number) {
  const entries: Array<{ readonly name: string; readonly type: string }> = []
  for (;;) {
    const more = yield* sys.getdents64({ fd })
    if (more.length === 0) return entries
    for (const { name, type } of more) entries.push({ name, type })
  }
})

/** One container of a list: its state, or why that can't be read. */
export type Entry =
  | { readonly id: string; readonly state: State }
  | { readonly id: string; readonly error: Exclude<LoadError, ContainerNotFound> }

/**
 * All containers below a root, by id. One that can't be read is reported as such and hides no other; one that is deleted
 * meanwhile is left out. A root that is not there has none.
 */
export const list = (root: string): Effect.Effect<ReadonlyArray<Entry>, StoreError, Kernel> =>
  Effect.gen(function*() {
    const names = yield* using(openRoot(root), (dirfd) => using(openIn(dirfd, "."), entriesOf)).pipe(
      orOn(["ENOENT"], [])
    )
    const entries: Array<Entry> = []
    for (const { name: id, type } of names.toSorted((a, b) => a.name < b.name ? -1 : 1)) {
      if (type !== "d" || !isId(id)) continue
      const result = yield* Effect.result(load(root, id))
      if (result._tag === "Success") entries.push({ id, state: result.success })
      else if (result.failure._tag !== "ContainerNotFound") entries.push({ id, error: result.failure })
    }
    return entries
  })

/** How long to wait for another command, in milliseconds. */
const lockPatience = 10_000

/**
 * Runs an effect while no other command works on the container. Waits for one that does, at most `milliseconds`; fails
 * with {@link StateLocked} then, and with {@link ContainerNotFound} where that one has deleted the container.
 *
 * The lock goes with the descriptor: a command that dies leaves none behind.
 *
 * @see flock(2)
 */
export const withLock = <A, E, R>(
  root: string,
  id: string,
  use: Effect.Effect<A, E, R>,
  { milliseconds = lockPatience }: { readonly milliseconds?: number } = {}
): Effect.Effect<A, E | StoreError | InvalidId | ContainerNotFound | StateLocked, R | Kernel> =>
  withDirectory(root, id, (fd) =>
    Effect.gen(function*() {
      let slept = 0
      for (let sleep = 1;; sleep = Math.min(sleep * 2, 50)) {
        const taken = yield* sys.flock({ fd, operation: LOCK.EX | LOCK.NB }).pipe(
          Effect.as(true),
          orOn(["EAGAIN"], false)
        )
        if (taken) break
        if (slept >= milliseconds) return yield* new StateLocked({ id, milliseconds: slept })
        yield* pause(sleep)
        slept += sleep
      }
      // who held the lock may have deleted the container: then this handle is of a directory without a name
      const { nlink } = yield* sys.statx({ dirfd: fd, path: "", flags: AT.EMPTY_PATH, mask: STATX.NLINK })
      if (nlink === 0) return yield* new ContainerNotFound({ id, path: pathOf(root, id) })
      return yield* use
    }))
