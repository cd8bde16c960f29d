/**
 * Standard input that is a file of the host, made safe to pass to a container.
 *
 * A read-only descriptor does not protect the file: through `/proc/self/fd/0` root of the container can open it again for
 * writing; only the file's mode could forbid that. So the container gets the file through a mount of its own that is
 * attached nowhere and read-only: opening it for writing fails with EROFS, and its path can't be seen.
 *
 * @see open_tree(2), mount_setattr(2), proc_pid_fd(5)
 */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { AT, F, MOUNT_ATTR, O, OPEN_TREE, S, STATX } from "../native/constants.ts"
import type { AnyFd } from "../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../native/Kernel.ts"

/** How much is read at once to get to a position in a file. */
const chunk = 1 << 20

/** Where the next read of a descriptor begins. */
const offsetOf = (fd: AnyFd): number =>
  Number(/^pos:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1] ?? 0)

const skip = Effect.fnUntraced(function*(fd: AnyFd, bytes: number) {
  for (let left = bytes; left > 0;) {
    const { length } = yield* sys.read({ fd, count: Math.min(left, chunk) })
    // it has become shorter: the next read finds its end
    if (length === 0) return
    left -= length
  }
})

const using = <A, E, R>(
  open: Effect.Effect<number, SyscallError, Kernel>,
  use: (fd: AnyFd) => Effect.Effect<A, E, R>
) => Effect.acquireUseRelease(open, use, (fd) => sys.close({ fd }))

const guard = Effect.gen(function*() {
  const flags = yield* sys.fcntl({ fd: 0, command: F.GETFL, argument: 0 })
  // a descriptor that can't be read is not guarded: there is nothing to read again
  if ((flags & (O.WRONLY | O.RDWR)) === O.WRONLY) return
  const { mode } = yield* sys.statx({ dirfd: 0, path: "", flags: AT.EMPTY_PATH, mask: STATX.TYPE })
  if ((mode & S.IFMT) !== S.IFREG) return
  const clone = sys.open_tree({
    dirfd: 0,
    path: "",
    flags: OPEN_TREE.CLONE | OPEN_TREE.CLOEXEC | AT.EMPTY_PATH
  })
  yield* using(clone, (tree) =>
    Effect.gen(function*() {
      yield* sys.mount_setattr({
        dirfd: tree,
        path: "",
        flags: AT.EMPTY_PATH,
        set: MOUNT_ATTR.RDONLY,
        clear: 0,
        propagation: 0,
        usernsFd: -1
      })
      const opened = sys.openat({
        dirfd: AT.FDCWD,
        path: `/proc/self/fd/${tree}`,
        flags: O.RDONLY | O.CLOEXEC,
        mode: 0
      })
      yield* using(opened, (fd) =>
        Effect.gen(function*() {
          yield* skip(fd, yield* Effect.sync(() => offsetOf(0)))
          yield* sys.dup3({ oldfd: fd, newfd: 0, flags: 0 })
        }))
    }))
})

/**
 * Replaces standard input, if it is a regular file, by the same position of the same file on a read-only mount.
 * It is then a file opened by this command: what the program reads does not move the caller's own position in it.
 *
 * Without the right to make mounts it is passed on as it is: the container is then in a user namespace of the caller, and
 * its root can write what the caller can.
 */
export const guardInput: Effect.Effect<void, never, Kernel> = Effect.catch(
  guard,
  (error) => Effect.logDebug(`standard input is handed on as it is: ${error.message}`)
)
