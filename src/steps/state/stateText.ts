/**
 * Reads a state file, which somebody may have replaced by anything.
 *
 * @category state
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { AT, O, S, STATX } from "../../native/constants.ts"
import { isType, stat, using } from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, sys, type SyscallError } from "../../native/Kernel.ts"
import { inside } from "./directory.ts"
import { StateCorrupt } from "./errors.ts"

/** A state is shorter than this, in bytes; a longer file is something else. */
const maxLength = 64 << 20

const names: Readonly<Record<number, string>> = {
  [S.IFDIR]: "a directory",
  [S.IFLNK]: "a symbolic link",
  [S.IFIFO]: "a pipe",
  [S.IFSOCK]: "a socket",
  [S.IFCHR]: "a device",
  [S.IFBLK]: "a device"
}

const corrupt = (file: string, problem: string) => Effect.fail(new StateCorrupt({ file, problem }))

/** What an open file holds, if it is a regular file of a sensible length. */
const textOf = Effect.fnUntraced(function*(fd: AnyFd, file: string) {
  const long = `the file is longer than ${maxLength} bytes, so it is no state`
  const found = yield* stat(fd)
  if (!isType(found, S.IFREG)) return yield* corrupt(file, "it is not a regular file")
  if (found.size > BigInt(maxLength)) return yield* corrupt(file, long)
  const chunks: Array<Uint8Array> = []
  for (let length = 0; length <= maxLength;) {
    const chunk = yield* sys.read({ fd, count: 65536 })
    chunks.push(chunk)
    length += chunk.length
    // a state is replaced and never written to, so it is as long as it was
    if (chunk.length === 0 || BigInt(length) === found.size) return Buffer.concat(chunks).toString("utf8")
  }
  return yield* corrupt(file, long)
})

/**
 * Reads the state file: only a regular file of a sensible length, and nothing on which a read could block.
 *
 * @internal
 */
export const readState = (
  dirfd: AnyFd,
  name: string,
  file: string
): Effect.Effect<string, SyscallError | StateCorrupt, Kernel> => {
  const look = sys.statx({ dirfd, path: name, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.BASIC_STATS })
  const open = sys.openat2({
    dirfd,
    path: name,
    flags: O.RDONLY | O.CLOEXEC | O.NONBLOCK | O.NOCTTY,
    mode: 0,
    resolve: inside
  })
  // it looks before it opens, since opening a device may have an effect
  return Effect.flatMap(look, (before) =>
    isType(before, S.IFREG)
      ? using(open, (fd) => textOf(fd, file))
      : corrupt(file, `it is ${names[before.mode & S.IFMT] ?? "something else"}, not a regular file`)).pipe(
      onErrno(["ENOENT"], () => {
        const problem =
          "the file is missing: a command is making or deleting this container, or was interrupted while it did"
        return Effect.fail(new StateCorrupt({ file, problem, missing: true }))
      }),
      onErrno(
        ["ELOOP", "ENXIO", "EACCES", "EISDIR", "ENODEV"],
        ({ code }) => corrupt(file, `the file can't be read: ${code}`)
      )
    )
}
