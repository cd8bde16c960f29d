/**
 * Files that the command writes, such as `--pid-file` and `--trace`: completely or not at all. A file that can't be written
 * is an error before anything is started.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { basename, dirname } from "node:path"
import { AT, O, S, STATX } from "../native/constants.ts"
import { type Kernel, orOn, sys, SyscallError } from "../native/Kernel.ts"

/** A file that can't be written. */
class OutputFileError extends Data.TaggedError("OutputFileError")<{
  readonly option: string
  readonly file: string
  readonly reason: SyscallError | string
}> {
  override get message(): string {
    return `${this.option} ${this.file}: ${typeof this.reason === "string" ? this.reason : this.reason.message}`
  }
  get advice(): string | undefined {
    if (typeof this.reason === "string") return undefined
    switch (this.reason.code) {
      case "ENOENT":
      case "ENOTDIR":
        return "make the directory first"
      case "EACCES":
      case "EPERM":
      case "EROFS":
        return "name a file in a directory that you may write"
      case "ENOSPC":
      case "EDQUOT":
        return "make room on its file system"
      default:
        return undefined
    }
  }
}

/** Writes it, once. */
export type WriteFile = (text: string) => Effect.Effect<void, OutputFileError, Kernel>

/** How much one call writes, in bytes. */
const chunkSize = 65536

const kinds: Readonly<Record<number, string>> = {
  [S.IFDIR]: "a directory",
  [S.IFCHR]: "a device",
  [S.IFBLK]: "a device",
  [S.IFIFO]: "a pipe",
  [S.IFSOCK]: "a socket"
}

/** Checks what has the name already: a file or a link is replaced, and nothing else. */
const inTheWay = Effect.fnUntraced(function*(file: string) {
  const at = { dirfd: AT.FDCWD, path: file }
  const found = yield* sys.statx({ ...at, flags: AT.SYMLINK_NOFOLLOW, mask: STATX.TYPE }).pipe(
    orOn(["ENOENT"], undefined)
  )
  if (found === undefined) return undefined
  const kind = kinds[found.mode & S.IFMT]
  if (kind !== undefined) return `there is ${kind} of this name, which is not replaced: name another file`
  // /dev/stdout and similar links: a host without them is damaged
  const isKernels = (found.mode & S.IFMT) === S.IFLNK && (yield* sys.readlinkat(at)).startsWith("/proc/")
  return isKernels ? "it is a link of /proc to an open file, which is not replaced: name another file" : undefined
})

/**
 * Prepares a file: an empty one in the same directory, under an unused name, which is renamed when its text is known,
 * and removed if the scope ends before that. If it can't be made, this fails before anything is started.
 *
 * No descriptor stays open: a process of a container must not find one of the host's directories.
 *
 * @see rename(2)
 */
export const outputFile = (
  option: string,
  file: string | undefined
): Effect.Effect<WriteFile, OutputFileError, Kernel | Scope.Scope> => {
  if (file === undefined) return Effect.succeed(() => Effect.void)
  const name = basename(file)
  const refused = (reason: SyscallError | string) => new OutputFileError({ option, file, reason })
  if (name === "" || name === "." || name === ".." || file.endsWith("/")) {
    return Effect.fail(refused("it is the name of a directory"))
  }
  return Effect.gen(function*() {
    const obstacle = yield* Effect.mapError(inTheWay(file), refused)
    if (obstacle !== undefined) return yield* refused(obstacle)
    const random = Buffer.from(yield* Effect.mapError(sys.getrandom({ count: 8 }), refused)).toString("hex")
    const temporary = `${dirname(file)}/.runfx-${random}.tmp`
    const open = (flags: number) =>
      sys.openat({ dirfd: AT.FDCWD, path: temporary, flags: O.WRONLY | O.NOFOLLOW | O.CLOEXEC | flags, mode: 0o644 })
    let placed = false
    yield* Effect.acquireRelease(
      Effect.mapError(Effect.flatMap(open(O.CREAT | O.EXCL), (fd) => sys.close({ fd })), refused),
      () =>
        placed ? Effect.void : Effect.catch(sys.unlinkat({ dirfd: AT.FDCWD, path: temporary, flags: 0 }), (error) =>
          // if it is gone, there is nothing to remove
          error.code === "ENOENT"
            ? Effect.void
            : Effect.logWarning(`${error.message}: ${temporary} is left, remove it`))
    )
    return (text: string) =>
      Effect.gen(function*() {
        const data = Buffer.from(text)
        yield* Effect.acquireUseRelease(
          open(0),
          (fd) =>
            Effect.gen(function*() {
              for (let at = 0; at < data.length;) {
                at += yield* sys.write({ fd, data: data.subarray(at, at + chunkSize) })
              }
            }),
          (fd) => sys.close({ fd })
        )
        yield* sys.renameat2({
          olddirfd: AT.FDCWD,
          oldpath: temporary,
          newdirfd: AT.FDCWD,
          newpath: file,
          flags: 0
        })
        placed = true
      }).pipe(Effect.mapError(refused))
  })
}
