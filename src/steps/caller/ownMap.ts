/**
 * Which ids the caller's own user namespace has, and what they are outside of it.
 *
 * @see user_namespaces(7)
 * @category caller
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { IdMapping } from "../../config/Container.ts"
import { AT, O } from "../../native/constants.ts"
import { readAll, using } from "../../native/Files.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"

/** The calls that {@link ownMap} makes; for the headers of steps. */
export const ownMapCalls = ["openat", "read", "close"] as const

/** The lines of a map. */
const parseMap = (text: string): ReadonlyArray<IdMapping> =>
  text.split("\n").flatMap((line) => {
    const [containerId, hostId, size] = line.trim().split(/\s+/).map(Number)
    return size === undefined ? [] : [{ containerId: containerId!, hostId: hostId!, size }]
  })

/** The map of the caller's own user namespace; in the first one, it has all ids. */
export const ownMap = (kind: "uid" | "gid"): Effect.Effect<ReadonlyArray<IdMapping>, SyscallError, Kernel> =>
  using(
    sys.openat({ dirfd: AT.FDCWD, path: `/proc/self/${kind}_map`, flags: O.RDONLY | O.CLOEXEC, mode: 0 }),
    (fd) => Effect.map(readAll(fd), (bytes) => parseMap(bytes.toString("utf8")))
  )

/** Whether a range lies within one line, as the kernel wants it. */
export const hasRange = (lines: ReadonlyArray<IdMapping>, start: number, size: number): boolean =>
  lines.some((line) => line.containerId <= start && start + size <= line.containerId + line.size)
