/**
 * Files by handle: opening, making and describing what lies below a directory that may be hostile.
 *
 * A path below a container's root is never looked up by the host's rules: openat2(2) resolves it with `RESOLVE_IN_ROOT`, so
 * that a symlink or `..` can't lead out, and without magic links, so that `/proc/<pid>/root` can't either. The file is then
 * used only by its descriptor, because another process may replace it between two look-ups (CVE-2021-30465,
 * CVE-2019-19921).
 *
 * @see openat2(2), path_resolution(7)
 * @category files
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Ahead from "./Ahead.ts"
import { AT, O, RESOLVE, S, STATX } from "./constants.ts"
import type { AnyFd, AnyGid, AnyUid, Fd } from "./Handle.ts"
import { type Kernel, onErrno, sys, SyscallError } from "./Kernel.ts"
import type { DirectoryEntry, Stat } from "./results.ts"

type Opened = Effect.Effect<Fd, SyscallError, Kernel>

/** The calls that {@link resolve} and {@link using} make; for the headers of steps. */
const resolveCalls = ["openat2", "close"] as const

/** The calls that {@link makeDirectories} and {@link makeFile} make; for the headers of steps. */
export const makeCalls = [...resolveCalls, "mkdirat", "mknodat", "readlinkat", "statx", "fchownat"] as const

/**
 * An absolute path in its shortest form: no empty component, no `.` or `..`, no slash at the end. Purely lexical, as
 * OCI paths are meant; `..` at the root stays at the root.
 *
 * **Example**
 *
 * ```ts
 * clean("/a/./b//../c/") // "/a/c"
 * ```
 */
export const clean = (path: string): string => {
  if (path[0] === "/" && path.at(-1) !== "/" && !path.includes("//") && !path.includes("/.")) return path
  const parts: Array<string> = []
  for (const part of path.split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

/** The directory part and the last component of an absolute path; the name of `"/"` is empty. */
export const split = (path: string): { readonly directory: string; readonly name: string } => {
  const at = path.lastIndexOf("/")
  return { directory: at <= 0 ? "/" : path.slice(0, at), name: path.slice(at + 1) }
}

/** Opens a descriptor, uses it, and always closes it. */
export const using = <D extends AnyFd, A, E, R, E2, R2>(
  open: Effect.Effect<D, E, R>,
  use: (fd: D) => Effect.Effect<A, E2, R2>
): Effect.Effect<A, E | E2 | SyscallError, R | R2 | Kernel> =>
  Effect.acquireUseRelease(open, use, (fd) => sys.close({ fd }))

/** Opens a descriptor and uses it; closes it only if the use fails. */
export const keeping = <D extends AnyFd, E, R, A, E2, R2>(
  open: Effect.Effect<D, E, R>,
  use: (fd: D) => Effect.Effect<A, E2, R2>
): Effect.Effect<D, E | E2 | SyscallError, R | R2 | Kernel> =>
  Effect.flatMap(open, (fd) =>
    use(fd).pipe(
      Effect.as(fd),
      Effect.catch((error) => Effect.andThen(sys.close({ fd }), Effect.fail(error)))
    ))

const eachBatch = Effect.fnUntraced(function*<E, R>(
  fd: AnyFd,
  visit: (batch: ReadonlyArray<DirectoryEntry>) => Effect.Effect<unknown, E, R>
): Effect.fn.Return<void, E | SyscallError, R | Kernel> {
  for (;;) {
    const batch = yield* sys.getdents64({ fd })
    if (batch.length === 0) return
    yield* visit(batch)
  }
})

/** The most entries of a list: twice as many as a process may have descriptors by default. */
const mostEntries = 2 ** 21

/**
 * All entries of an open directory, without `.` and `..`.
 *
 * @since 0.2.0
 */
export const entriesOf = (fd: AnyFd): Effect.Effect<ReadonlyArray<DirectoryEntry>, SyscallError, Kernel> =>
  Effect.suspend(() => {
    const all: Array<DirectoryEntry> = []
    const add = (batch: ReadonlyArray<DirectoryEntry>) => {
      // a process may belong to somebody by now who never lets the list end
      if (all.length + batch.length > mostEntries) {
        const detail = `the directory has more than ${mostEntries} entries`
        return Effect.fail(new SyscallError({ call: { _tag: "getdents64", fd }, code: "EFBIG", detail }))
      }
      all.push(...batch)
      return Effect.void
    }
    return Effect.as(eachBatch(fd, add), all)
  })

/**
 * Visits the entries of an open directory while they are read, so that a directory with very many entries takes little
 * memory.
 *
 * @since 0.2.0
 */
export const forEachEntry = <E, R>(
  fd: AnyFd,
  visit: (entry: DirectoryEntry) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E | SyscallError, R | Kernel> =>
  eachBatch(fd, (batch) => Effect.forEach(batch, visit, { discard: true }))

/** Runs an effect with a file mode creation mask of 0, so that files get exactly the modes that it asks for. */
export const withoutUmask = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E | SyscallError, R | Kernel> =>
  Effect.acquireUseRelease(sys.umask({ mask: 0 }), () => self, (mask) => sys.umask({ mask }))

/**
 * How often a look-up is tried again if the kernel could not prove it safe. With `RESOLVE_IN_ROOT` and `RESOLVE_BENEATH`,
 * `..` returns EAGAIN while any process on the machine renames or mounts something.
 */
const attempts = 256

const persistent = (open: Opened, left = attempts): Opened =>
  Effect.catchIf(open, ({ code }) => code === "EAGAIN" && left > 0, () => persistent(open, left - 1))

/**
 * How a path is looked up below a root.
 *
 * @category models
 */
export interface Lookup {
  /** `O_*` in addition to `O_PATH|O_CLOEXEC`: `O_DIRECTORY`, `O_NOFOLLOW`. */
  readonly flags?: number
  /** `RESOLVE_*` in addition to `RESOLVE_IN_ROOT|RESOLVE_NO_MAGICLINKS`: `RESOLVE_NO_SYMLINKS`, `RESOLVE_NO_XDEV`. */
  readonly resolve?: number
}

/**
 * Opens, with `O_PATH`, what a path leads to for a process whose root directory is `root`.
 *
 * @see openat2(2)
 */
export const resolve = (root: AnyFd, path: string, { flags = 0, resolve = 0 }: Lookup = {}): Opened =>
  persistent(sys.openat2({
    dirfd: root,
    path,
    flags: O.PATH | O.CLOEXEC | flags,
    mode: 0,
    resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS | resolve
  }))

/**
 * Opens, with `O_PATH`, a file below a directory, by a path without a leading slash. A link that leads out of the directory
 * fails with EXDEV.
 *
 * @see openat2(2)
 * @since 0.2.0
 */
export const resolveBelow = (directory: AnyFd, path: string, { flags = 0, resolve = 0 }: Lookup = {}): Opened =>
  persistent(sys.openat2({
    dirfd: directory,
    path,
    flags: O.PATH | O.CLOEXEC | flags,
    mode: 0,
    resolve: RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS | resolve
  }))

/**
 * Opens for reading or writing what a path leads to for a process whose root directory is `root`; `flags` are `O_*` in
 * addition to `O_CLOEXEC|O_NOCTTY`.
 */
export const open = (root: AnyFd, path: string, flags: number, resolve = 0): Opened =>
  persistent(sys.openat2({
    dirfd: root,
    path,
    flags: O.CLOEXEC | O.NOCTTY | flags,
    mode: 0,
    resolve: RESOLVE.IN_ROOT | RESOLVE.NO_MAGICLINKS | resolve
  }))

/** What statx(2) reports of an open descriptor. */
export const stat = (fd: AnyFd): Effect.Effect<Stat, SyscallError, Kernel> =>
  sys.statx({ dirfd: fd, path: "", flags: AT.EMPTY_PATH, mask: STATX.BASIC_STATS | STATX.MNT_ID })

/**
 * Whether a file is of a type: `isType(stat, S.IFDIR)`. `likely` is the likely answer.
 *
 * @category guards
 */
export const isType = (stat: Stat, type: number, likely: Ahead.Likely = true): boolean =>
  Ahead.is(stat, "mode", type, { mask: S.IFMT, likely })

/**
 * Whether a file is a device node of a type and number.
 *
 * @category guards
 */
export const isDevice = (
  stat: Stat,
  type: number,
  major: number,
  minor: number,
  likely: Ahead.Likely = true
): boolean => isType(stat, type, likely) && Ahead.is(stat, "rdev", { major, minor }, { likely })

/**
 * Whether a file is the null device, character 1:3.
 *
 * @category guards
 */
export const isNull = (stat: Stat, likely: Ahead.Likely = true): boolean => isDevice(stat, S.IFCHR, 1, 3, likely)

/**
 * The owner of a file that is made; the caller if absent.
 *
 * @category models
 */
export interface Owner {
  readonly uid: AnyUid
  readonly gid: AnyGid
}

/**
 * How missing directories and files are made.
 *
 * @category models
 */
export interface Making extends Lookup {
  /** Permission bits; 0755 if absent. */
  readonly mode?: number
  readonly owner?: Owner
}

/** What is made if it is missing. */
interface Kind {
  readonly make: (dirfd: AnyFd, path: string, mode: number) => Effect.Effect<void, SyscallError, Kernel>
  /** Whether something may have just been made. */
  readonly isNew: (found: Stat) => boolean
}

const directoryKind: Kind = {
  make: (dirfd, path, mode) => sys.mkdirat({ dirfd, path, mode }),
  isNew: (found) => isType(found, S.IFDIR)
}

const fileKind: Kind = {
  // mknod instead of open: opening what another process has put there could have side effects
  make: (dirfd, path, mode) => sys.mknodat({ dirfd, path, mode: S.IFREG | mode, major: 0, minor: 0 }),
  isNew: (found) => isType(found, S.IFREG) && Ahead.is(found, "size", 0n) && Ahead.is(found, "nlink", 1)
}

/** Linux follows at most 40 links in one look-up. */
const maxLinks = 40

const ensure = (
  root: AnyFd,
  path: string,
  kind: Kind,
  making: Making,
  flags: number,
  links: number
): Opened =>
  resolve(root, path, { flags, resolve: making.resolve ?? 0 }).pipe(
    onErrno(["ENOENT"], (missing) => {
      const { directory, name } = split(path)
      if (name === "" || links > maxLinks) return Effect.fail(missing)
      return using(directories(root, directory, making, links), (parent) => {
        const again = persistent(sys.openat2({
          dirfd: parent,
          path: name,
          flags: O.PATH | O.CLOEXEC | O.NOFOLLOW | flags,
          mode: 0,
          resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS
        }))
        const mode = making.mode ?? 0o755
        const owned = making.owner === undefined
          ? again
          : keeping(again, (fd) => giveAway(fd, kind, mode, making.owner!))
        return kind.make(parent, name, mode).pipe(
          Effect.andThen(owned),
          Effect.catchIf(({ call, code }) => code === "EEXIST" && call._tag !== "openat2", () =>
            // either the link dangles, and its target is made inside the root (images have such links: /etc/resolv.conf),
            // or another process was faster
            sys.readlinkat({ dirfd: parent, path: name }).pipe(
              Effect.flatMap((target) =>
                ensure(root, target.startsWith("/") ? target : `${directory}/${target}`, kind, making, flags, links + 1)
              ),
              Effect.catchIf(
                ({ call, code }) => call._tag === "readlinkat" && (code === "EINVAL" || code === "ENOENT"),
                () => ensure(root, path, kind, making, flags, links + 1)
              )
            ))
        )
      })
    })
  )

/** Gives what was made to its owner. What another process has put in its place meanwhile keeps its own. */
const giveAway = (fd: AnyFd, { isNew }: Kind, mode: number, { gid, uid }: Owner) =>
  Effect.flatMap(stat(fd), (found) =>
    isNew(found) && Ahead.is(found, "mode", mode, { mask: 0o777 })
      ? sys.fchownat({ dirfd: fd, path: "", uid, gid, flags: AT.EMPTY_PATH })
      : Effect.void)

const directories = (root: AnyFd, path: string, making: Making, links: number): Opened =>
  ensure(root, path, directoryKind, making, O.DIRECTORY, links)

/**
 * Opens, with `O_PATH`, a directory below a root. The directory and its parents are made if they are missing.
 *
 * Fails with `ENOTDIR` if something else is in the way. Fails with `ELOOP` if links lead in circles, or if there is any
 * link and `RESOLVE_NO_SYMLINKS` is asked for.
 *
 * @category constructors
 */
export const makeDirectories = (root: AnyFd, path: string, making: Making = {}): Opened =>
  directories(root, path, making, 0)

/**
 * Opens, with `O_PATH`, a file of any type below a root. If it is missing, an empty regular file and its parents are made.
 *
 * @category constructors
 */
export const makeFile = (root: AnyFd, path: string, making: Making = {}): Opened =>
  ensure(root, path, fileKind, making, making.flags ?? 0, 0)

/**
 * Reads a descriptor to its end; `undefined` if there is more than so many bytes. For a file that somebody else may make
 * larger at any moment: a look at its size says nothing of what is read later.
 *
 * @since 0.2.0
 */
export const readUpTo = Effect.fnUntraced(function*(fd: AnyFd, largest: number) {
  // one buffer: very many short chunks would take far more memory than their bytes
  let found = Buffer.alloc(0)
  for (let size = 0; size <= largest;) {
    const chunk = yield* sys.read({ fd, count: 65536 })
    if (chunk.length === 0) return found.subarray(0, size)
    const end = size + chunk.length
    if (end > found.length) found = Buffer.concat([found.subarray(0, size)], Math.max(end, 2 * size))
    found.set(chunk, size)
    size = end
  }
  return undefined
})

/** Reads a descriptor to its end. */
export const readAll = (fd: AnyFd): Effect.Effect<Buffer, SyscallError, Kernel> =>
  Effect.map(readUpTo(fd, Infinity), (found) => found!)

/**
 * The text of a file, by its path as the calling process sees it. What is not UTF-8 becomes U+FFFD. It is for regular files and those
 * of procfs: it does not wait for the other end of a pipe.
 *
 * **Example** (The cgroups of this process)
 *
 * ```ts
 * import { readText } from "runfx/native/Files"
 *
 * const cgroups = readText("/proc/self/cgroup")
 * ```
 *
 * @since 0.2.0
 */
export const readText = (path: string): Effect.Effect<string, SyscallError, Kernel> =>
  using(
    // O_NONBLOCK: a read needs no look before it whether it would wait
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.NONBLOCK | O.CLOEXEC, mode: 0 }),
    (fd) => Effect.map(readAll(fd), (bytes) => bytes.toString("utf8"))
  )

/** Writes all data, with as many write(2) calls as needed. */
export const writeAll = Effect.fnUntraced(function*(fd: AnyFd, data: Uint8Array) {
  for (let done = 0; done < data.length;) {
    done += yield* sys.write({ fd, data: done === 0 ? data : data.subarray(done) })
  }
})

/** The same error with a further detail. */
export const explain = (error: SyscallError, detail: string): SyscallError =>
  new SyscallError({
    call: error.call,
    code: error.code,
    detail: error.detail === undefined ? detail : `${error.detail}; ${detail}`
  })
