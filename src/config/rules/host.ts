/** What only the host knows. */
import * as Effect from "effect/Effect"
import { AT, O, RESOLVE, STATX } from "../../native/constants.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import { ConfigError } from "../ConfigError.ts"
import { type Container } from "../Container.ts"
import { dots, namespaceOf } from "./kernel.ts"
import { type Found, found, inNames, modelNames, type Names, type Section } from "./Rule.ts"

const advice: Readonly<Partial<Record<SyscallError["code"], string>>> = {
  ENOENT: "must exist on the host",
  ENOTDIR: "must be a directory on the host",
  ELOOP: "must be free of symlinks"
}

const refusal = (section: Section, at: ReadonlyArray<string | number>, value: unknown) => (error: SyscallError) => [
  found(section, at, value, advice[error.code] ?? error.message)
]

const rootfsExists = ({ rootfs }: Container): Effect.Effect<ReadonlyArray<Found>, never, Kernel> =>
  sys.openat2({
    dirfd: AT.FDCWD,
    path: rootfs,
    flags: O.PATH | O.DIRECTORY | O.CLOEXEC,
    mode: 0,
    resolve: RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS
  }).pipe(
    Effect.flatMap((fd) => sys.close({ fd })),
    Effect.match({ onFailure: refusal("rootfs", [], rootfs), onSuccess: () => [] })
  )

const inodeOf = (path: string) =>
  sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.BASIC_STATS }).pipe(
    Effect.map(({ dev, ino }) => `${dev.major}:${dev.minor}:${ino}`)
  )

const namespaceExists = (
  { path, type }: Container["namespaces"][number],
  index: number
): Effect.Effect<ReadonlyArray<Found>, never, Kernel> =>
  inodeOf(path ?? `/proc/self/ns/${type}`).pipe(Effect.match({
    onFailure: path === undefined
      ? () => [found("namespaces", [index, "type"], type, "is a namespace that this kernel does not have")]
      : refusal("namespaces", [index, "path"], path),
    onSuccess: () => []
  }))

/** A `net.*` parameter in a network namespace that is the caller's own would change the host. */
const networkIsNotHosts = (container: Container): Effect.Effect<ReadonlyArray<Found>, never, Kernel> => {
  const keys = Object.keys(container.sysctl).filter((key) => namespaceOf(dots(key)) === "net")
  const path = container.namespaces.find(({ type }) => type === "net")?.path
  if (keys.length === 0 || path === undefined) return Effect.succeed([])
  return Effect.all([inodeOf(path), inodeOf("/proc/self/ns/net")]).pipe(Effect.match({
    // a path that is not there is named by namespaceExists
    onFailure: () => [],
    onSuccess: ([theirs, ours]) =>
      theirs !== ours ?
        [] :
        keys.map((key) =>
          found(
            "sysctl",
            [key],
            container.sysctl[key],
            `would change the host: ${path} is the host's network namespace`
          )
        )
  }))
}

/**
 * Checks what only the host knows: the root file system is there and its path is free of symlinks, the kernel has the
 * namespaces, those to join are there, and no network parameter would change the host.
 *
 * Asks through the {@link Kernel}, so that a plan on a model kernel asks the model.
 */
export const validateHost = (
  container: Container,
  names: Names = modelNames
): Effect.Effect<void, ConfigError, Kernel> =>
  Effect.all([
    rootfsExists(container),
    ...container.namespaces.map(namespaceExists),
    networkIsNotHosts(container)
  ]).pipe(Effect.flatMap((lists) => {
    const problems = lists.flat().map(inNames(names))
    return problems.length === 0 ? Effect.void : Effect.fail(new ConfigError({ problems }))
  }))
