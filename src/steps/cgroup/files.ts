/**
 * How cgroup files are reached: from the root of a hierarchy down, by handle, never through a link, never out of it, and
 * never made if they are missing. Some calls use a group's whole path: {@link writeTo}, which checks what it has opened;
 * {@link isThere}, which only looks; and `create.ts`, which makes groups of version 1 and removes groups.
 *
 * A path as text could lead elsewhere by the time it is used; and a regular file named `cgroup.procs` in a plain directory
 * would take every write and do nothing.
 *
 * @category cgroups
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Ahead from "../../native/Ahead.ts"
import { AT, MAGIC, O, RESOLVE, STATX } from "../../native/constants.ts"
import { entriesOf, readAll, using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, SyscallError } from "../../native/Kernel.ts"
import { readWhole } from "../../native/whole.ts"
import { NotACgroup } from "./errors.ts"
import { type Group, unified } from "./Manager.ts"

/** The calls that {@link withGroup}, {@link readIn} and {@link writeIn} make. */
export const fileCalls = ["openat", "openat2", "fstatfs", "statx", "read", "write", "close"] as const

/** How every look-up below a group is done. */
export const inside = RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS | RESOLVE.NO_XDEV

/** Runs `use` with a handle (`O_PATH`) to the root of the hierarchy at a mount point. */
export const withHierarchy = <A, E, R>(
  mountpoint: string,
  use: (fd: AnyFd) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | SyscallError | NotACgroup, R | Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path: mountpoint, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 }),
    (fd) => Effect.andThen(checkGroup(fd, mountpoint), use(fd))
  )

const checkGroup = (
  fd: AnyFd,
  path: string,
  isUnified = false
): Effect.Effect<void, SyscallError | NotACgroup, Kernel> =>
  Effect.flatMap(
    sys.fstatfs({ fd }),
    (system) =>
      Ahead.is(system, "type", MAGIC.CGROUP_SUPER_MAGIC, { likely: !isUnified }) ||
        Ahead.is(system, "type", MAGIC.CGROUP2_SUPER_MAGIC)
        ? Effect.void
        : Effect.suspend(() => Effect.fail(new NotACgroup({ path, type: system.type })))
  )

/** Opens a directory below another one, as a handle (`O_PATH`). */
export const openDirectory = (dirfd: AnyFd, path: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({ dirfd, path, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: inside })

/**
 * Runs `use` with a handle to the directory of a group; `ENOENT` if it is gone. A group that is another one's by now,
 * although it has the name of this one, is gone as well; and so is one that was about to be made.
 */
export const withGroup = <A, E, R>(
  group: Group,
  use: (fd: AnyFd) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | SyscallError | NotACgroup, R | Kernel> =>
  withHierarchy(
    group.mountpoint,
    (root) => using(openDirectory(root, group.relative), (fd) => Effect.andThen(checkIdentity(fd, group), use(fd)))
  )

const checkIdentity = (fd: AnyFd, group: Group): Effect.Effect<void, SyscallError, Kernel> =>
  group.inode === undefined ? Effect.void : Effect.flatMap(
    sys.statx({ dirfd: fd, path: "", flags: AT.EMPTY_PATH, mask: STATX.INO }),
    (stat) =>
      typeof group.inode === "bigint" && Ahead.is(stat, "ino", group.inode) ? Effect.void : Effect.fail(anothers(group))
  )

const anothers = ({ path }: Group): SyscallError =>
  new SyscallError({
    call: { _tag: "openat", dirfd: AT.FDCWD, path, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 },
    code: "ENOENT",
    detail: "the cgroup of this name is not the container's: that one was removed, and this one was made later"
  })

/**
 * Whether the directory at a group's path is that group; `false` if it is another one, or there is none.
 *
 * @since 0.2.0
 */
export const isThere = (group: Group): Effect.Effect<boolean, SyscallError, Kernel> =>
  sys.statx({ dirfd: AT.FDCWD, path: group.path, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.INO }).pipe(
    Effect.map(({ ino }) => typeof group.inode !== "bigint" || ino === group.inode),
    orOn(gone, false)
  )

/** Writes a value to a file of a group, in one call. */
export const writeTo = (
  group: Group,
  file: string,
  value: string
): Effect.Effect<void, SyscallError | NotACgroup, Kernel> =>
  using(
    sys.openat2({
      dirfd: AT.FDCWD,
      path: group.path,
      flags: O.PATH | O.DIRECTORY | O.CLOEXEC,
      mode: 0,
      resolve: RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS
    }),
    (fd) =>
      Effect.andThen(
        Effect.andThen(checkGroup(fd, group.path, group.keys.includes(unified)), checkIdentity(fd, group)),
        writeIn(fd, file, value)
      )
  )

/** Everything that an open file still holds, as text. */
const readText = (fd: AnyFd): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.map(readAll(fd), (bytes) => bytes.toString("utf8"))

// O_NONBLOCK: a read needs no look before it whether it would wait
const openToRead = (dirfd: AnyFd, file: string) =>
  sys.openat2({ dirfd, path: file, flags: O.RDONLY | O.NONBLOCK | O.CLOEXEC, mode: 0, resolve: inside })

/** The content of a file in an open group. */
export const readIn = (dirfd: AnyFd, file: string): Effect.Effect<string, SyscallError, Kernel> =>
  using(openToRead(dirfd, file), readText)

/**
 * The value in a file of an open group, without white space around it. Not for lists of processes, which come in pieces.
 *
 * @since 0.2.0
 */
export const valueIn = (dirfd: AnyFd, file: string): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.map(using(openToRead(dirfd, file), readWhole), (text) => text.trim())

/**
 * Opens a file in an open group for writing; `ENOENT` if there is no such file. Not with `O_NONBLOCK`: since Linux 6.16 a limit of memory
 * is then set without taking back what is over it.
 */
export const openIn = (dirfd: AnyFd, file: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({ dirfd, path: file, flags: O.WRONLY | O.CLOEXEC, mode: 0, resolve: inside })

/** Writes a value to an open file of a group, in one call. */
export const writeValue = (fd: AnyFd, value: string): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.asVoid(sys.write({ fd, data: Buffer.from(value) }))

/** Writes a value to a file in an open group; `ENOENT` if there is no such file. */
export const writeIn = (dirfd: AnyFd, file: string, value: string): Effect.Effect<void, SyscallError, Kernel> =>
  using(openIn(dirfd, file), (fd) => writeValue(fd, value))

/** The directories in a group. */
const directoriesIn = (dirfd: AnyFd, path: string): Effect.Effect<ReadonlyArray<string>, SyscallError, Kernel> =>
  using(
    sys.openat2({ dirfd, path, flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: inside }),
    (fd) => Effect.map(entriesOf(fd), (entries) => entries.filter(({ type }) => type === "d").map(({ name }) => name))
  )

/** Up to this length a path is used from where it begins: of the 4,095 bytes that a look-up takes, the rest is for names. */
const longest = 3072

/**
 * Visits the groups in a group: each with a handle above it, and its path from there. Returns how many there are.
 *
 * No handle is held for a group, but one for each 3,072 bytes of a path: a container can nest its groups deeper than this
 * process may have descriptors.
 *
 * @since 0.2.0
 */
export const eachIn = <E, R>(
  dirfd: AnyFd,
  path: string,
  visit: (dirfd: AnyFd, path: string) => Effect.Effect<void, E, R>
): Effect.Effect<number, E | SyscallError, R | Kernel> => {
  if (Buffer.byteLength(path) > longest) {
    return using(openDirectory(dirfd, path), (fd) => eachIn(fd, ".", visit))
  }
  return Effect.gen(function*() {
    const names = yield* directoriesIn(dirfd, path)
    for (const name of names) yield* visit(dirfd, path === "." ? name : `${path}/${name}`)
    return names.length
  })
}

/**
 * Visits all groups below an open one, parents first: each with a handle above it, and its path from there. A group
 * without groups of its own is not opened: its link count says so (kernfs counts directories, as file systems do).
 *
 * @since 0.2.0
 */
export const eachBelow = <E, R>(
  dirfd: AnyFd,
  visit: (dirfd: AnyFd, path: string) => Effect.Effect<void, E, R>
): Effect.Effect<void, E | SyscallError, R | Kernel> => {
  const visitAll = (dirfd: AnyFd, path: string): Effect.Effect<void, E | SyscallError, R | Kernel> =>
    Effect.gen(function*() {
      yield* visit(dirfd, path)
      const links = yield* sys.statx({ dirfd, path, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.NLINK }).pipe(
        Effect.map(({ nlink }) => nlink),
        orOn(gone, 0)
      )
      if (links !== 0 && links !== leafLinks) yield* eachIn(dirfd, path, visitAll).pipe(orOn(gone, 0))
    })
  return Effect.asVoid(eachIn(dirfd, ".", visitAll).pipe(orOn(gone, 0)))
}

/** `.` and the entry in the parent. */
const leafLinks = 2

/** What the kernel answers about a cgroup that has been removed. */
export const gone: ReadonlyArray<SyscallError["code"]> = ["ENOENT", "ENODEV"]

/**
 * Waits, and lets the other fibers of this process have a turn; so a wait of many short pauses neither holds up a server
 * nor is deaf to interruption. Returns how long it took by the clock, in milliseconds: more than was asked for on a machine
 * that is busy, and never less, so that a sum of pauses is a bound.
 */
export const pause = (milliseconds: number): Effect.Effect<number, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const start = yield* Clock.currentTimeMillis
    yield* sys.nanosleep({ nanoseconds: BigInt(milliseconds) * 1_000_000n })
    yield* Effect.yieldNow
    return Math.max(milliseconds, (yield* Clock.currentTimeMillis) - start)
  })
