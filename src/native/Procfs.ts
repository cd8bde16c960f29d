/**
 * A private procfs.
 *
 * In a container, `/proc` may be anything: an image can have a plain directory there, and a mount can cover parts of it. A
 * label, a sysctl or a group file that is written there may not reach the kernel, or may reach something else
 * (CVE-2019-16884, CVE-2019-19921, CVE-2025-52881). So these files are used through a private instance of procfs that is
 * mounted nowhere, and no look-up leaves it.
 *
 * @see proc(5), fsopen(2), openat2(2)
 * @category files
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Ahead from "./Ahead.ts"
import { AT, FSCONFIG, FSMOUNT, FSOPEN, MAGIC, MOUNT_ATTR, O, OPEN_TREE, RESOLVE } from "./constants.ts"
import { explain, keeping, readUpTo, stat, using, writeAll } from "./Files.ts"
import type { AnyFd } from "./Handle.ts"
import { type Kernel, sys, SyscallError } from "./Kernel.ts"

/** The calls that {@link openProc} makes; for the headers of steps. */
export const openProcCalls = [
  "fsopen",
  "fsconfig",
  "fsmount",
  "open_tree",
  "openat2",
  "fstatfs",
  "statx",
  "close"
] as const

/** The calls that {@link readProc} and {@link writeProc} make besides those of {@link openProc}. */
export const useProcCalls = ["openat2", "fstatfs", "read", "write", "close"] as const

const attributes = MOUNT_ATTR.NOSUID | MOUNT_ATTR.NODEV | MOUNT_ATTR.NOEXEC

const instance = using(
  sys.fsopen({ type: "proc", flags: FSOPEN.CLOEXEC }),
  (fd) =>
    sys.fsconfig({ fd, command: FSCONFIG.CMD_CREATE, key: null, value: null, aux: 0 }).pipe(
      Effect.andThen(sys.fsmount({ fd, flags: FSMOUNT.CLOEXEC, attributes }))
    )
)

/** The inode number of the root of every procfs. */
const rootInode = 1n

/** Whether a descriptor is the root of a procfs. */
const isProc = Effect.fnUntraced(function*(fd: AnyFd) {
  const system = yield* sys.fstatfs({ fd })
  return Ahead.is(system, "type", MAGIC.PROC_SUPER_MAGIC) && Ahead.is(yield* stat(fd), "ino", rootInode)
})

const atProc = sys.openat2({
  dirfd: AT.FDCWD,
  path: "/proc",
  flags: O.PATH | O.DIRECTORY | O.CLOEXEC,
  mode: 0,
  resolve: RESOLVE.NO_SYMLINKS
})

const existing = (refused: SyscallError): Effect.Effect<number, SyscallError, Kernel> =>
  // this clone leaves out the mounts that cover parts of /proc. In a user namespace they are locked and stay; then
  // RESOLVE_NO_XDEV refuses them later
  sys.open_tree({ dirfd: AT.FDCWD, path: "/proc", flags: OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC }).pipe(
    Effect.catch(() => atProc),
    Effect.catch(({ code }) => Effect.fail(explain(refused, `and /proc can't be opened: ${code}`))),
    (open) =>
      keeping(open, (fd) =>
        Effect.flatMap(isProc(fd), (is) =>
          is ? Effect.void : Effect.fail(explain(refused, "and what is at /proc is not a procfs"))))
  )

/**
 * Opens the root of a private procfs, close-on-exec. Close it after use and never pass it on: it shows the whole procfs,
 * also what the container masks.
 *
 * The kernel may refuse a new instance: in a user namespace that does not own the pid namespace, or if parts of `/proc` are
 * covered. Then `/proc` itself is used, if it is a procfs.
 *
 * **Example**
 *
 * ```ts
 * const status = Files.using(Procfs.openProc, (proc) => Procfs.readProc(proc, "self/status"))
 * ```
 */
export const openProc: Effect.Effect<number, SyscallError, Kernel> = Effect.catch(instance, existing)

/**
 * Runs `use` with the procfs at `/proc`, which costs less than a private one. If there is none, or `use` fails, runs it
 * with a private one. For a process that still has the host's root.
 */
export const withHostProc = <A, E>(
  use: (proc: number) => Effect.Effect<A, E, Kernel>
): Effect.Effect<A, E | SyscallError, Kernel> =>
  using(atProc, (fd) => Effect.flatMap(isProc(fd), (is) => is ? use(fd) : Effect.fail(undefined))).pipe(
    Effect.catch(() => using(openProc, use))
  )

/**
 * Opens a file below a procfs, by a path without a leading slash: `self/attr/exec`. The look-up never leaves that procfs:
 * no `..`, no magic link, no other mount; and the opened file is checked to be on a procfs. `flags` are `O_*` in addition
 * to `O_CLOEXEC`.
 */
export const openBelow = (proc: number, path: string, flags: number): Effect.Effect<number, SyscallError, Kernel> =>
  sys.openat2({
    dirfd: proc,
    path,
    flags: O.CLOEXEC | O.NOCTTY | flags,
    mode: 0,
    resolve: RESOLVE.BENEATH | RESOLVE.NO_XDEV | RESOLVE.NO_MAGICLINKS
  }).pipe(
    Effect.tap((fd) =>
      Effect.flatMap(
        sys.fstatfs({ fd }),
        (system) =>
          Ahead.is(system, "type", MAGIC.PROC_SUPER_MAGIC) ? Effect.void : sys.close({ fd }).pipe(
            Effect.andThen(
              new SyscallError({
                call: { _tag: "fstatfs", fd },
                code: "EXDEV",
                detail: `${path} is not on a procfs`
              })
            )
          )
      )
    )
  )

/**
 * The most bytes of a file of a procfs: a table of the 100000 mounts that a namespace may have by default, if the lines are
 * long. All other files are far smaller.
 */
const largest = 64 * 1024 * 1024

/** The text of a file below a procfs. */
export const readProc = (proc: number, path: string): Effect.Effect<string, SyscallError, Kernel> =>
  using(openBelow(proc, path, O.RDONLY), (fd) =>
    Effect.flatMap(readUpTo(fd, largest), (bytes) => {
      if (bytes !== undefined) return Effect.succeed(bytes.toString("utf8"))
      // the process that reads may belong to somebody by now who never lets the file end
      const detail = `${path} has more than ${largest} bytes`
      return Effect.fail(new SyscallError({ call: { _tag: "read", fd, count: 65536 }, code: "EFBIG", detail }))
    }))

/** Writes a text to a file below a procfs, with one write(2), as these files require. */
export const writeProc = (proc: number, path: string, text: string): Effect.Effect<void, SyscallError, Kernel> =>
  using(openBelow(proc, path, O.WRONLY), (fd) => writeAll(fd, Buffer.from(text)))
