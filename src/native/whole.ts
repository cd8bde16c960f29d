/**
 * Files that the kernel makes as a whole when they are read, as it does for `status` and `stat` of a process, and for a value of a
 * cgroup: a read that returns less than was asked for is the last one. Others, such as `mountinfo` and lists of processes, come in
 * pieces, and are read until nothing is left (`Files.readText`).
 *
 * @see single_open() in linux/seq_file.h
 */
import * as Effect from "effect/Effect"
import { AT, O } from "./constants.ts"
import { using } from "./Files.ts"
import type { AnyFd } from "./Handle.ts"
import { type Kernel, sys, type SyscallError } from "./Kernel.ts"

/** How much is asked for at once, in bytes. */
const count = 65536

/** The text of such a file that is open. */
export const readWhole = Effect.fnUntraced(function*(fd: AnyFd) {
  const chunks: Array<Uint8Array> = []
  for (;;) {
    const chunk = yield* sys.read({ fd, count })
    chunks.push(chunk)
    if (chunk.length < count) return Buffer.concat(chunks).toString("utf8")
  }
})

/** The text of such a file, by its path. `O_NONBLOCK`: the read needs no look before it whether it would wait. */
export const readWholeText = (path: string): Effect.Effect<string, SyscallError, Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path, flags: O.RDONLY | O.NONBLOCK | O.CLOEXEC, mode: 0 }),
    readWhole
  )
