/**
 * What only the host knows.
 *
 * @category validation
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { AT, O, RESOLVE, STATX } from "../../native/constants.ts"
import { type Kernel, lasting, sys, type SyscallError } from "../../native/Kernel.ts"
import { noProc } from "../../native/since.ts"
import { ConfigError } from "../ConfigError.ts"
import { type Container } from "../Container.ts"
import { joinedMaps } from "./joinedMaps.ts"
import { dots, namespaceOf } from "./kernel.ts"
import { type Found, found, inNames, modelNames, type Names, type Section } from "./Rule.ts"

/** What an errno says of a path, in the words of a rule. Any other errno says nothing of the configuration. */
const rules: Readonly<Partial<Record<SyscallError["code"], string>>> = {
  ENOENT: "must exist on the host",
  ELOOP: "must be free of symlinks",
  EACCES: "must be within the caller's reach: a directory on the way can't be searched",
  ENAMETOOLONG: "must be shorter: the kernel takes no path of that length"
}

const ofRootfs = { ...rules, ENOTDIR: "must be a directory on the host" }
const ofNamespace = {
  ...rules,
  ENOTDIR: "must exist on the host: something on the way is no directory",
  // the links of /proc/PID/ns are followed by who may look into the process only
  EACCES:
    "must be within the caller's reach: a directory on the way can't be searched, or it is of a process that the " +
    "caller may not look into (which takes its user, or CAP_SYS_PTRACE over it)"
}

/** A problem of the configuration, or the error itself: a call that is missing or forbidden is no fault of a path. */
const refusal =
  (words: typeof rules, section: Section, at: ReadonlyArray<string | number>, value: unknown) =>
  (error: SyscallError): Effect.Effect<ReadonlyArray<Found>, SyscallError> => {
    const rule = words[error.code]
    return rule === undefined ? Effect.fail(error) : Effect.succeed([found(section, at, value, rule)])
  }

const openDirectory = (path: string, resolve: number): Effect.Effect<void, SyscallError, Kernel> =>
  Effect.flatMap(
    sys.openat2({ dirfd: AT.FDCWD, path, flags: O.PATH | O.DIRECTORY | O.CLOEXEC, mode: 0, resolve }),
    (fd) => sys.close({ fd })
  )

/** If there is a link on the way: whether that is all that is wrong. */
const behindLinks: Readonly<Partial<Record<SyscallError["code"], string>>> = {
  ENOENT: "must exist on the host: a symlink on the way leads nowhere",
  ENOTDIR: "must be a directory on the host: a symlink on the way leads to something else",
  ELOOP: "must be free of symlinks: those on the way lead in circles"
}

const rootfsExists = ({ rootfs }: Container): Effect.Effect<ReadonlyArray<Found>, SyscallError, Kernel> =>
  openDirectory(rootfs, RESOLVE.NO_SYMLINKS | RESOLVE.NO_MAGICLINKS).pipe(
    Effect.as<ReadonlyArray<Found>>([]),
    Effect.catch((error) =>
      error.code !== "ELOOP"
        ? refusal(ofRootfs, "rootfs", [], rootfs)(error)
        : Effect.match(openDirectory(rootfs, RESOLVE.NO_MAGICLINKS), {
          onFailure: ({ code }) => [found("rootfs", [], rootfs, behindLinks[code] ?? rules.ELOOP!)],
          onSuccess: () => [found("rootfs", [], rootfs, rules.ELOOP!)]
        })
    )
  )

const inodeOf = (path: string) =>
  sys.statx({ dirfd: AT.FDCWD, path, flags: 0, mask: STATX.BASIC_STATS }).pipe(
    Effect.map(({ dev, ino }) => `${dev.major}:${dev.minor}:${ino}`)
  )

const lacks = (error: SyscallError): boolean => error.code === "ENOENT" || error.code === "ENOTDIR"

/** Whether there is a procfs, which says what this kernel has; without one, that says nothing of any namespace. */
const hasProc: Effect.Effect<boolean, SyscallError, Kernel> = Effect.catchIf(
  Effect.as(inodeOf("/proc/self/ns"), true),
  lacks,
  () => Effect.succeed(false)
)

const kinds: Record<string, ReturnType<typeof inodeOf>> = Object.create(null)

/** A kernel that has a type of namespaces keeps it until the next boot. */
const kindOf = (type: string) => kinds[type] ??= lasting(inodeOf(`/proc/self/ns/${type}`))

const namespaceExists = (
  { path, type }: Container["namespaces"][number],
  index: number
): Effect.Effect<ReadonlyArray<Found>, SyscallError, Kernel> =>
  (path === undefined ? kindOf(type) : inodeOf(path)).pipe(Effect.matchEffect({
    onFailure: (error): Effect.Effect<ReadonlyArray<Found>, SyscallError> => {
      if (path !== undefined) return refusal(ofNamespace, "namespaces", [index, "path"], path)(error)
      return lacks(error)
        ? Effect.succeed([found("namespaces", [index, "type"], type, "is a namespace that this kernel does not have")])
        : Effect.fail(error)
    },
    onSuccess: () => Effect.succeed<ReadonlyArray<Found>>([])
  }))

const namespacesExist = (
  { namespaces }: Container
): Effect.Effect<ReadonlyArray<Found>, SyscallError, Kernel> =>
  namespaces.length === 0
    ? Effect.succeed([])
    : Effect.flatMap(hasProc, (there) =>
      there
        ? Effect.map(Effect.forEach(namespaces, namespaceExists), (lists) => lists.flat())
        : Effect.succeed([found("namespaces", [], undefined, `can't be checked: ${noProc}`)]))

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
 * namespaces, those to join are there, with the id maps that are given, and no network parameter would change the host.
 *
 * Asks through the {@link Kernel}, so that a plan on a model kernel asks the model. Fails with a `SyscallError` if the host
 * can't even be asked: a call is missing, or forbidden.
 */
export const validateHost = (
  container: Container,
  names: Names = modelNames
): Effect.Effect<void, ConfigError | SyscallError, Kernel> =>
  Effect.all([
    rootfsExists(container),
    namespacesExist(container),
    networkIsNotHosts(container),
    joinedMaps(container)
  ]).pipe(Effect.flatMap((lists) => {
    const problems = lists.flat().map(inNames(names))
    return problems.length === 0 ? Effect.void : Effect.fail(new ConfigError({ problems }))
  }))
