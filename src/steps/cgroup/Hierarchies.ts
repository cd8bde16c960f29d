/**
 * Which cgroup hierarchies this host has, where they are mounted, and where in them this process is.
 *
 * @see cgroups(7), proc_pid_cgroup(5)
 * @category cgroups
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { readText } from "../../native/Files.ts"
import type { Kernel, SyscallError } from "../../native/Kernel.ts"
import { readWholeText } from "../../native/whole.ts"
import { type MountInfo, parseMountInfo } from "../proc/mountinfo.ts"
import { NoCgroupHierarchy } from "./errors.ts"
import { unified } from "./Manager.ts"

/** One mounted hierarchy. */
export interface Hierarchy {
  /** Its controllers, `name=…` for a named one, `unified` for cgroup2. */
  readonly keys: ReadonlyArray<string>
  readonly mountpoint: string
  /** This process's own cgroup, below the mount point; `/` for its root, and if it is not below. */
  readonly own: string
  /** Whether it is below what is mounted. */
  readonly isBelow: boolean
}

/** All of them. */
export interface Hierarchies {
  readonly version: "v1" | "v2" | "hybrid"
  readonly hierarchies: ReadonlyArray<Hierarchy>
}

/** The cgroup of a process in each hierarchy, by controller; `name=…` and `unified` as everywhere here. */
export const parseProcCgroup = (text: string): ReadonlyMap<string, string> => {
  const own = new Map<string, string>()
  for (const line of text.split("\n")) {
    // the path may hold colons
    const match = /^(\d+):([^:]*):(\/.*)$/.exec(line)
    if (match === null) continue
    const [, number, controllers, path] = match
    if (number === "0" && controllers === "") own.set(unified, path!)
    else for (const controller of controllers!.split(",")) own.set(controller, path!)
  }
  return own
}

/** The own cgroup below a mount point that shows only the part of the hierarchy below `root`; absent if it is not. */
const below = (root: string, own: string): string | undefined => {
  // outside of the cgroup namespace's root, the kernel prints "/../x": nothing below this mount
  if (own.split("/").includes("..")) return undefined
  if (root === "/") return own
  if (own === root) return "/"
  return own.startsWith(`${root}/`) ? own.slice(root.length) : undefined
}

const isAbove = (path: string, other: string): boolean =>
  other.startsWith(path) && (path === "/" ? other !== "/" : other[path.length] === "/")

/** The mounted hierarchies that a path leads to: what is mounted later on the same place, or above, hides what was there. */
const visible = (mounts: ReadonlyArray<MountInfo>): ReadonlyArray<MountInfo> => {
  const byId = new Map(mounts.map((mount) => [mount.id, mount]))
  const known = new Map<MountInfo, boolean>()
  const isReached = (mount: MountInfo): boolean => {
    const before = known.get(mount)
    if (before !== undefined) return before
    const isHiddenBy = (other: MountInfo) =>
      other.parent === mount.parent && isAbove(other.mountpoint, mount.mountpoint)
    const parent = byId.get(mount.parent)
    const is = !mounts.some(isHiddenBy) && (parent === undefined || parent === mount || isReached(parent))
    known.set(mount, is)
    return is
  }
  return [...new Map(mounts.map((mount) => [mount.mountpoint, mount])).values()].filter((mount) =>
    (mount.type === "cgroup" || mount.type === "cgroup2") && isReached(mount)
  )
}

/**
 * The hierarchies that the mounts and the own cgroups say there are.
 *
 * If `/sys/fs/cgroup` itself is cgroup2, the host is a v2 host, whatever v1 hierarchy some program has mounted elsewhere.
 */
export const hierarchiesOf = (
  mounts: ReadonlyArray<MountInfo>,
  own: ReadonlyMap<string, string>
): ReadonlyArray<Hierarchy> => {
  const usual = (mount: MountInfo) => mount.mountpoint.startsWith("/sys/fs/cgroup") ? 0 : 1
  const ordered = visible(mounts).toSorted((a, b) => usual(a) - usual(b))
  const pureV2 = ordered.some(({ mountpoint, type }) => mountpoint === "/sys/fs/cgroup" && type === "cgroup2")

  const seen = new Set<string>()
  return ordered.flatMap(({ mountpoint, options, root, type }) => {
    if (type === "cgroup" && pureV2) return []
    const keys = (type === "cgroup2" ? [unified] : options).filter((key) => own.has(key) && !seen.has(key))
    if (keys.length === 0) return []
    for (const key of keys) seen.add(key)
    const place = below(root, own.get(keys[0]!)!)
    return [{ keys, mountpoint, own: place ?? "/", isBelow: place !== undefined }]
  })
}

/** What was read last, and what it says: nearly every start reads the same. */
let last: { readonly mounts: string; readonly own: string; readonly hierarchies: ReadonlyArray<Hierarchy> } | undefined

const hierarchiesIn = (mounts: string, own: string): ReadonlyArray<Hierarchy> => {
  if (last === undefined || last.mounts !== mounts || last.own !== own) {
    last = { mounts, own, hierarchies: hierarchiesOf(parseMountInfo(mounts), parseProcCgroup(own)) }
  }
  return last.hierarchies
}

/**
 * Finds the hierarchies of this host: what the mount table says. The process that uses one sees whether it is there, by
 * the magic number of its file system.
 */
export const detect: Effect.Effect<Hierarchies, SyscallError | NoCgroupHierarchy, Kernel> = Effect.gen(function*() {
  const hierarchies = hierarchiesIn(yield* readText("/proc/self/mountinfo"), yield* readWholeText("/proc/self/cgroup"))
  if (hierarchies.length === 0) return yield* new NoCgroupHierarchy()
  const hasUnified = hierarchies.some(({ keys }) => keys.includes(unified))
  const hasV1 = hierarchies.some(({ keys }) => !keys.includes(unified))
  return { version: hasUnified ? (hasV1 ? "hybrid" : "v2") : "v1", hierarchies }
})
