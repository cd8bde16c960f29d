/**
 * How cgroup files are reached: from the root of a hierarchy down, by handle, never through a link, never out of it, and
 * never made where they are missing. (A directory of version 1 is made and removed by its path: see `create.ts`.)
 *
 * A path as text could lead elsewhere by the time it is used; and a regular file named `cgroup.procs` in a plain directory
 * would take every write and do nothing.
 */
import * as Effect from "effect/Effect"
import { AT, MAGIC, O, RESOLVE } from "../../native/constants.ts"
import { readAll, using } from "../../native/Files.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { NotACgroup } from "./errors.ts"
import type { Group } from "./Manager.ts"

/** The calls that {@link withGroup}, {@link readIn} and {@link writeIn} make. */
export const fileCalls = ["openat", "openat2", "fstatfs", "read", "write", "close"] as const

/** How every look-up below a group is done. */
export const inside = RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS | RESOLVE.NO_XDEV

/** Runs `use` with a handle (`O_PATH`) to the root of the hierarchy at a mount point. */
export const withHierarchy = <A, E, R>(
  mountpoint: string,
  use: (fd: number) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | SyscallError | NotACgroup, R | Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path: mountpoint, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0 }),
    (fd) => Effect.andThen(checkGroup(fd, mountpoint), use(fd))
  )

const checkGroup = (fd: number, path: string): Effect.Effect<void, SyscallError | NotACgroup, Kernel> =>
  Effect.flatMap(
    sys.fstatfs({ fd }),
    ({ type }) =>
      type === MAGIC.CGROUP_SUPER_MAGIC || type === MAGIC.CGROUP2_SUPER_MAGIC
        ? Effect.void
        : Effect.fail(new NotACgroup({ path, type }))
  )

/** Opens a directory below another one, as a handle (`O_PATH`). */
export const openDirectory = (dirfd: number, path: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({ dirfd, path, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: inside })

/** Runs `use` with a handle to the directory of a group; `ENOENT` where it is gone. */
export const withGroup = <A, E, R>(
  group: Group,
  use: (fd: number) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | SyscallError | NotACgroup, R | Kernel> =>
  withHierarchy(group.mountpoint, (root) => using(openDirectory(root, group.relative), use))

/** Writes a value to a file of a group, in one call, without a handle to the group. */
export const writeTo = (
  { mountpoint, relative }: Group,
  file: string,
  value: string
): Effect.Effect<void, SyscallError | NotACgroup, Kernel> => {
  const path = [mountpoint, relative, file].filter((part) => part !== "").join("/")
  return using(
    sys.openat2({
      dirfd: AT.FDCWD,
      path,
      flags: O.WRONLY | O.CLOEXEC,
      mode: 0,
      resolve: RESOLVE.NO_MAGICLINKS | RESOLVE.NO_SYMLINKS
    }),
    (fd) => Effect.andThen(checkGroup(fd, path), Effect.asVoid(sys.write({ fd, data: Buffer.from(value) })))
  )
}

/** Everything that an open file still holds, as text. */
export const readText = (fd: number): Effect.Effect<string, SyscallError, Kernel> =>
  Effect.map(readAll(fd), (bytes) => bytes.toString("utf8"))

/** The content of a file in an open group. */
export const readIn = (dirfd: number, file: string): Effect.Effect<string, SyscallError, Kernel> =>
  using(sys.openat2({ dirfd, path: file, flags: O.RDONLY | O.CLOEXEC, mode: 0, resolve: inside }), readText)

/** Opens a file in an open group for writing; `ENOENT` where there is no such file. */
export const openIn = (dirfd: number, file: string): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({ dirfd, path: file, flags: O.WRONLY | O.CLOEXEC, mode: 0, resolve: inside })

/** Writes a value to an open file of a group, in one call. */
export const writeValue = (fd: number, value: string): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.asVoid(sys.write({ fd, data: Buffer.from(value) }))

/** Writes a value to a file in an open group; `ENOENT` where there is no such file. */
export const writeIn = (dirfd: number, file: string, value: string): Effect.Effect<void, SyscallError, Kernel> =>
  using(openIn(dirfd, file), (fd) => writeValue(fd, value))

/** The directories in an open group. */
export const directoriesIn = (dirfd: number): Effect.Effect<ReadonlyArray<string>, SyscallError, Kernel> =>
  using(
    sys.openat2({ dirfd, path: ".", flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve: inside }),
    (fd) =>
      Effect.gen(function*() {
        const names: Array<string> = []
        while (true) {
          const entries = yield* sys.getdents64({ fd })
          if (entries.length === 0) return names
          for (const entry of entries) if (entry.type === "d") names.push(entry.name)
        }
      })
  )

/** What the kernel answers about a cgroup that has been removed. */
export const gone: ReadonlyArray<SyscallError["code"]> = ["ENOENT", "ENODEV"]

/**
 * Waits, and lets the other fibers of this process have a turn; so a wait of many short pauses neither holds up a server
 * nor is deaf to interruption.
 */
export const pause = (milliseconds: number): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.andThen(sys.nanosleep({ nanoseconds: BigInt(milliseconds) * 1_000_000n }), Effect.yieldNow)
