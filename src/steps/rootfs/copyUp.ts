/**
 * `tmpcopyup`: a new tmpfs starts with a copy of what it covers.
 *
 * Works on handles only and follows no link, so that a directory which changes while it is copied can't lead elsewhere.
 * Extended attributes and hard links are not kept.
 *
 * @category rootfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { AT, O, RESOLVE, S } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"

/** The calls that {@link copyUp} makes. */
export const copyUpCalls = [
  "openat2",
  "getdents64",
  "statx",
  "mkdirat",
  "mknodat",
  "symlinkat",
  "readlinkat",
  "fchownat",
  "fchmod",
  "read",
  "write",
  "close"
] as const

const openEntry = (dirfd: AnyFd, path: string, flags: number) =>
  sys.openat2({
    dirfd,
    path,
    flags: flags | O.NOFOLLOW | O.NOCTTY | O.CLOEXEC,
    mode: 0,
    // the copy is of the directory itself: if something is mounted in it, the copy fails with EXDEV
    resolve: RESOLVE.BENEATH | RESOLVE.NO_SYMLINKS | RESOLVE.NO_XDEV
  })

const permissions = 0o7777

const copyEntry = Effect.fnUntraced(function*(from: number, to: number, name: string) {
  const stat = yield* sys.statx({ dirfd: from, path: name, flags: AT.SYMLINK_NOFOLLOW, mask: 0x7ff })
  const own = sys.fchownat({
    dirfd: to,
    path: name,
    uid: stat.uid,
    gid: stat.gid,
    flags: AT.SYMLINK_NOFOLLOW
  })
  switch (stat.mode & S.IFMT) {
    case S.IFDIR:
      yield* sys.mkdirat({ dirfd: to, path: name, mode: 0o700 })
      yield* own
      yield* Files.using(
        openEntry(from, name, O.RDONLY | O.DIRECTORY),
        (source) =>
          Files.using(
            openEntry(to, name, O.RDONLY | O.DIRECTORY),
            (copy) => Effect.andThen(copyEntries(source, copy), sys.fchmod({ fd: copy, mode: stat.mode & permissions }))
          )
      )
      return
    case S.IFLNK:
      yield* sys.symlinkat({
        target: yield* sys.readlinkat({ dirfd: from, path: name }),
        dirfd: to,
        path: name
      })
      yield* own
      return
    case S.IFREG:
      yield* sys.mknodat({ dirfd: to, path: name, mode: S.IFREG | 0o600, major: 0, minor: 0 })
      yield* own
      yield* Files.using(
        openEntry(from, name, O.RDONLY | O.NONBLOCK),
        (source) =>
          Files.using(
            openEntry(to, name, O.WRONLY),
            Effect.fnUntraced(function*(copy) {
              for (;;) {
                const chunk = yield* sys.read({ fd: source, count: 1 << 20 })
                if (chunk.length === 0) break
                yield* Files.writeAll(copy, chunk)
              }
              // last, for a change of owner or a write takes the set-id bits away
              yield* sys.fchmod({ fd: copy, mode: stat.mode & permissions })
            })
          )
      )
      return
    case S.IFIFO:
    case S.IFSOCK:
    case S.IFCHR:
    case S.IFBLK:
      yield* sys.mknodat({ dirfd: to, path: name, mode: stat.mode, ...stat.rdev })
      yield* own
  }
})

const copyEntries = (from: number, to: number): Effect.Effect<void, SyscallError, Kernel> =>
  Files.forEachEntry(from, ({ name }) => copyEntry(from, to, name))

/** Copies what a directory holds into another: `directory` may be an `O_PATH` descriptor, `mount` the root of a tmpfs. */
export const copyUp = (directory: number, mount: number): Effect.Effect<void, SyscallError, Kernel> =>
  Files.using(
    // "." of an O_PATH descriptor, opened for reading
    sys.openat2({
      dirfd: directory,
      path: ".",
      flags: O.RDONLY | O.DIRECTORY | O.CLOEXEC,
      mode: 0,
      resolve: RESOLVE.BENEATH
    }),
    (from) => copyEntries(from, mount)
  )
