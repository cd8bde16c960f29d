/**
 * Where and for whom the mounts are made, and the rules that hold for every one of them.
 *
 * @category rootfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Container, Mount } from "../../config/Container.ts"
import * as Ahead from "../../native/Ahead.ts"
import { AT, MAGIC, MS, O, RESOLVE, S } from "../../native/constants.ts"
import * as Files from "../../native/Files.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, sys, type SyscallError } from "../../native/Kernel.ts"
import type { Stat } from "../../native/results.ts"
import type { CgroupManager } from "../cgroup/Manager.ts"
import { during } from "./attach.ts"
import { type About, type MountError, MountRefusedError, type UnmappedIdError } from "./errors.ts"
import type { Ownership } from "./facts.ts"

/**
 * What the mounts of one container have in common.
 *
 * @since 0.2.0
 */
export interface Mounting {
  readonly container: Container
  /** An `O_PATH` descriptor of the container's root. */
  readonly root: number
  readonly rootStat: Stat
  readonly ownership: Ownership["Service"]
  /** The cgroups that this process has joined; absent if it has not, or if there are none. */
  readonly cgroup: CgroupManager | undefined
  /** How missing places to mount on are made. */
  readonly making: Files.Making
}

/** How missing directories and files are made: they belong to the container's root. */
export const makingFor = (ownership: Ownership["Service"]): Effect.Effect<Files.Making, UnmappedIdError> =>
  ownership.outside
    ? Effect.map(Effect.all([ownership.uid(0), ownership.gid(0)]), ([uid, gid]) => ({ owner: { uid, gid } }))
    : Effect.succeed({})

/** The calls that {@link makeLink} makes. */
export const linkCalls = ["symlinkat", "openat2", "statx", "fchownat", "close"] as const

/**
 * Makes a symlink, and gives it to its owner by handle, after a look at it: no link is followed, and if another process has
 * put something other than a link in its place meanwhile, that is not given away.
 */
export const makeLink = (
  dirfd: AnyFd,
  path: string,
  target: string,
  { owner }: Files.Making
): Effect.Effect<void, SyscallError, Kernel> => {
  const made = sys.symlinkat({ target, dirfd, path })
  if (owner === undefined) return made
  const entry = sys.openat2({
    dirfd,
    path,
    flags: O.PATH | O.NOFOLLOW | O.CLOEXEC,
    mode: 0,
    resolve: RESOLVE.BENEATH | RESOLVE.NO_MAGICLINKS
  })
  return Effect.andThen(
    made,
    Files.using(
      entry,
      (fd) =>
        Effect.flatMap(Files.stat(fd), (stat) =>
          Files.isType(stat, S.IFLNK)
            ? sys.fchownat({ dirfd: fd, path: "", ...owner, flags: AT.EMPTY_PATH })
            : Effect.void)
    )
  )
}

/**
 * The calls that {@link refuseTarget} makes.
 *
 * @since 0.2.0
 */
export const targetCalls = ["statx", "fstatfs"] as const

/**
 * Whether a mount is a bind mount.
 *
 * @since 0.2.0
 */
export const isBind = (mount: Mount): boolean => mount.type === "bind" || (mount.flags & MS.BIND) !== 0

/**
 * The names that errors give a mount.
 *
 * @since 0.2.0
 */
export const aboutOf = (mount: Mount): About => ({
  destination: Files.clean(mount.destination),
  type: isBind(mount) ? "bind" : mount.type,
  source: mount.source
})

/** Files of procfs that a file system in user space (lxcfs) may replace: they show resources and grant nothing. */
const replaceable = new Set([
  "/proc/cpuinfo",
  "/proc/diskstats",
  "/proc/meminfo",
  "/proc/stat",
  "/proc/swaps",
  "/proc/uptime",
  "/proc/loadavg",
  "/proc/slabinfo",
  "/proc/net/dev",
  "/proc/sys/kernel/ns_last_pid",
  "/proc/sys/crypto/fips_enabled"
])

const procAdvice = "mount only a procfs on /proc, and below it only files that tell of resources, as lxcfs does"

/**
 * Refuses a mount by its destination as it is written: the root itself; anything but a procfs on `/proc`, which label
 * and sysctl writes trust (CVE-2019-16884); anything below it but a few files.
 */
export const refuseDestination = (about: About): Effect.Effect<void, MountRefusedError> => {
  const { destination, type } = about
  if (destination === "/") {
    return Effect.fail(
      new MountRefusedError({
        ...about,
        why: "nothing may be mounted on the root itself",
        advice: "set root.path to what shall be the root"
      })
    )
  }
  // whether a bind mount's source is a procfs is known only once it is open
  if (destination === "/proc" && type !== "proc" && type !== "bind") {
    return Effect.fail(new MountRefusedError({ ...about, why: "only a procfs may be on /proc", advice: procAdvice }))
  }
  if (destination.startsWith("/proc/") && !replaceable.has(destination)) {
    return Effect.fail(
      new MountRefusedError({ ...about, why: "nothing may be mounted inside /proc", advice: procAdvice })
    )
  }
  return Effect.void
}

/**
 * Refuses a mount by the place that was found: links in the image can make another path mean the root or a part of
 * `/proc`.
 */
export const refuseTarget = (
  mounting: Mounting,
  about: About,
  target: number
): Effect.Effect<Stat, MountError | MountRefusedError, Kernel> =>
  during(about, "resolve the target")(checkedTarget(mounting, about, target))

const checkedTarget = Effect.fnUntraced(
  function*({ rootStat }: Mounting, about: About, target: number) {
    const stat = yield* Files.stat(target)
    // two files seldom have the same number, in one mount or in two
    if (Ahead.isSame(stat, rootStat, "ino", { likely: false }) && Ahead.isSame(stat, rootStat, "mountId")) {
      return yield* new MountRefusedError({
        ...about,
        why: "the image has a link there that leads to the root itself",
        advice: `fix the image: ${about.destination} must not lead to /`
      })
    }
    const system = yield* sys.fstatfs({ fd: target })
    const mayBeProc = about.destination === "/proc" || about.destination.startsWith("/proc/")
    if (!mayBeProc && Ahead.is(system, "type", MAGIC.PROC_SUPER_MAGIC, { likely: false })) {
      return yield* new MountRefusedError({
        ...about,
        why: "the image has a link there that leads into /proc",
        advice: procAdvice
      })
    }
    return stat
  }
)

/** Whether the container brings a `/dev` of its own by a bind mount, which is then left as it is. */
export const bindsDev = (container: Container): boolean =>
  container.mounts.some((mount) => isBind(mount) && Files.clean(mount.destination) === "/dev")
