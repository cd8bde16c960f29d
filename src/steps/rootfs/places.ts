/**
 * Paths of the container by the mounts that this start has made.
 *
 * Somebody who may rename in the root file system can exchange what a mount is on for something else, at any moment of
 * the start: the mount moves along, and its path leads elsewhere. So what must be done to a mount, or in it, is done by its
 * handle, wherever it is; and before the program starts, {@link verifyMounts} checks that it is where it should be.
 *
 * @see rename(2) RENAME_EXCHANGE, CVE-2019-16884, CVE-2025-52881
 * @category rootfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Container, Mount } from "../../config/Container.ts"
import * as Ahead from "../../native/Ahead.ts"
import { MS } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, onErrno, type SyscallError } from "../../native/Kernel.ts"
import type { Kept } from "./facts.ts"

/** Whether a path is another one, or below it; both in their shortest form. */
export const isWithin = (path: string, above: string): boolean =>
  above === "/" || path === above || path.startsWith(`${above}/`)

/** A path in its shortest form, and all that it is within: `/a/b`, `/a`, `/`. */
const upwards = (path: string): ReadonlyArray<string> => {
  const all = ["/"]
  for (let at = path.indexOf("/", 1); at > 0; at = path.indexOf("/", at + 1)) all.push(path.slice(0, at))
  if (path !== "/") all.push(path)
  return all
}

/** Where later steps, and programs, trust what they find: no link of the image may lead there. */
const trusted = new Set(["/proc", "/sys", "/dev"])

/**
 * Whether later steps and programs trust what they find at a path: `/proc`, `/sys`, `/dev`.
 *
 * @since 0.2.0
 */
export const isTrusted = (destination: string): boolean => trusted.has(destination)

/**
 * Whether the place of a mount must be found without any link.
 *
 * @since 0.2.0
 */
export const isRigid = ({ destination, type }: { readonly destination: string; readonly type: string }): boolean =>
  type === "proc" || type === "sysfs" || isTrusted(Files.clean(destination))

/**
 * Whether a mount only gives other options to one that is there.
 *
 * @since 0.2.0
 */
export const isRemount = ({ flags }: Mount): boolean => (flags & MS.REMOUNT) !== 0

const isCgroups = ({ type }: Mount): boolean => type === "cgroup" || type === "cgroup2"

/** File systems in which a new mount holds nothing that somebody else has put there. */
const filledByNobody = new Set(["proc", "sysfs", "tmpfs", "devpts", "mqueue", "cgroup", "cgroup2"])

/**
 * Whether a mount holds only what the kernel and this start have put there.
 *
 * @since 0.2.0
 */
export const isFresh = ({ copyUp, type }: Mount): boolean => !copyUp && filledByNobody.has(type)

/**
 * The mounts of a container that later steps, or later mounts, work in or look after.
 *
 * @since 0.2.0
 */
export const reliedOn = (container: Container): ReadonlySet<Mount> => {
  const destinations = container.mounts.map(({ destination }) => Files.clean(destination))
  const paths = [...container.maskedPaths, ...container.readonlyPaths, ...container.devices.map(({ path }) => path)]
    .map(Files.clean)
  const usedLater = new Set(paths.flatMap(upwards))
  // a remount is of one of them, and of no other, wherever its path leads by then
  const areChanged = container.mounts.some(isRemount)
  const mountedLater = new Set<string>()
  // from the last one on, each looks at all that come after it: with many mounts, it must not look at them one by one
  const relied = container.mounts.toReversed().filter((mount, fromEnd) => {
    const destination = destinations.at(-1 - fromEnd)!
    const isRelied = areChanged || isRigid(mount) || isCgroups(mount) || usedLater.has(destination) ||
      isFresh(mount) && mountedLater.has(destination)
    for (const path of upwards(destination)) mountedLater.add(path)
    return isRelied
  })
  return new Set(relied.toReversed())
}

/**
 * The mounts of a container that no later one covers.
 *
 * @since 0.2.0
 */
export const uncovered = (container: Container): ReadonlyArray<Mount> => {
  const made = container.mounts.filter((mount) => !isRemount(mount))
  const later = new Set<string>()
  return made.toReversed().filter((mount) => {
    const destination = Files.clean(mount.destination)
    const isCovered = upwards(destination).some((path) => later.has(path))
    later.add(destination)
    return !isCovered
  }).toReversed()
}

/**
 * What is left of the kept mounts if another mount covers a place.
 *
 * @since 0.2.0
 */
export const without = (kept: ReadonlyArray<Kept>, covered: string): ReadonlyArray<Kept> =>
  kept.filter(({ destination }) => !isWithin(destination, covered))

/**
 * The kept mount that holds a path: the one nearest to it.
 *
 * @since 0.2.0
 */
export const holderOf = (kept: ReadonlyArray<Kept>, path: string): Kept | undefined =>
  kept.filter(({ destination }) => isWithin(path, destination))
    .toSorted((one, other) => other.destination.length - one.destination.length)[0]

/** The rest of a path below a directory above it, without a leading slash. */
const below = (path: string, directory: string): string => path.slice(directory === "/" ? 1 : directory.length + 1)

/**
 * Where something is to be made: a directory, and the path below it. In a mount that this start alone has filled it is
 * below that mount's handle.
 *
 * @since 0.2.0
 */
export const startOf = (
  root: number,
  kept: ReadonlyArray<Kept>,
  path: string
): { readonly root: number; readonly path: string } => {
  const holder = holderOf(kept, path)
  return holder === undefined || !holder.fresh
    ? { root, path }
    : { root: holder.fd, path: `/${below(path, holder.destination)}` }
}

/**
 * Uses what is at a path, found below the handle of the mount that holds it; does nothing if nothing is there.
 *
 * @since 0.2.0
 */
export const ifThere = <E, R>(
  root: number,
  kept: ReadonlyArray<Kept>,
  path: string,
  use: (fd: AnyFd) => Effect.Effect<void, E, R>,
  how: Files.Lookup = {}
): Effect.Effect<void, E | SyscallError, R | Kernel> => {
  const absolute = Files.clean(path)
  const holder = holderOf(kept, absolute)
  if (holder?.destination === absolute) return use(holder.fd)
  const found = holder === undefined
    ? Files.resolve(root, path, how)
    : Files.resolveBelow(holder.fd, below(absolute, holder.destination), how).pipe(
      // a link that leads out of the mount means what it means to the program
      onErrno(["EXDEV"], () => Files.resolve(root, path, how))
    )
  return Ahead.ifOpen(["ENOENT", "ENOTDIR"], found, (fd) => Files.using(Effect.succeed(fd), use))
}

/**
 * Paths that are often masked, and are directories if they exist. Any other path is most likely a file.
 *
 * @since 0.2.0
 */
export const usuallyDirectories = new Set([
  "/proc/acpi",
  "/proc/asound",
  "/proc/scsi",
  "/sys/firmware",
  "/sys/devices/virtual/powercap"
])
