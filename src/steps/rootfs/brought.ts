/**
 * Mounts that the root or a volume brings along, and that the configuration only gives other options (`remount`).
 *
 * Somebody who may rename in the root could exchange the place of one for the place of a mount that this start makes, or for what
 * another volume brings along, which would get its options: a read-only directory of the host would become writable. So each is
 * opened as soon as it is there, while nothing else is mounted in what brings it along, and is changed by that handle.
 *
 * @category rootfs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { Mount } from "../../config/Container.ts"
import * as Ahead from "../../native/Ahead.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { isRemount, isWithin } from "./places.ts"

/** A mount that was brought along. */
export interface Brought {
  readonly destination: string
  readonly fd: AnyFd
}

/** The places below a path that a remount names, and that have no mount of their own before it. */
const remountedBelow = (mounts: ReadonlyArray<Mount>, path: string): ReadonlyArray<string> => {
  const own = new Set<string>()
  const found = new Set<string>()
  for (const mount of mounts) {
    const destination = Files.clean(mount.destination)
    if (!isRemount(mount)) own.add(destination)
    else if (destination !== path && isWithin(destination, path) && !own.has(destination)) found.add(destination)
  }
  return [...found]
}

/** Opens the root of a mount; `undefined` if there is none, which the remount reports. */
const openMount = (fd: AnyFd, path: string): Effect.Effect<number | undefined, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const opened = yield* Files.resolveBelow(fd, path.slice(1)).pipe(
      orOn(["ENOENT", "ENOTDIR", "EXDEV", "ELOOP", "EACCES"], undefined)
    )
    if (opened === undefined || Ahead.is(yield* Files.stat(opened), "mountRoot", true)) return opened
    yield* sys.close({ fd: opened })
    return undefined
  })

/** Closes what was opened below a path, which another mount covers now. Returns the rest. */
export const uncoveredBy = (
  brought: ReadonlyArray<Brought>,
  path: string
): Effect.Effect<ReadonlyArray<Brought>, SyscallError, Kernel> =>
  Effect.as(
    Effect.forEach(brought.filter(({ destination }) => isWithin(destination, path)), ({ fd }) => sys.close({ fd }), {
      discard: true
    }),
    brought.filter(({ destination }) => !isWithin(destination, path))
  )

/**
 * Opens what the mount at `path` brings along.
 *
 * @param fd the mount's root
 * @param later the mounts of the configuration that follow
 */
export const broughtBy = Effect.fnUntraced(function*(fd: AnyFd, path: string, later: ReadonlyArray<Mount>) {
  const brought: Array<Brought> = []
  for (const destination of remountedBelow(later, path)) {
    const opened = yield* openMount(fd, path === "/" ? destination : destination.slice(path.length))
    if (opened !== undefined) brought.push({ destination, fd: opened })
  }
  return brought
})
