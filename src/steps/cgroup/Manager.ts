/**
 * Where a container's cgroups are: plain data, so that it can be part of the container's state and be read by a later
 * command.
 *
 * @category cgroups
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { ofRecent } from "../../engine/ofRecent.ts"
import { CgroupPathInvalid } from "./errors.ts"
import type { Hierarchies } from "./Hierarchies.ts"

/**
 * A container's cgroups.
 *
 * `v1`: a hierarchy for each controller (or for a few); `v2`: the unified hierarchy alone; `hybrid`: the controllers in v1
 * hierarchies and a cgroup2 hierarchy alongside them, which then freezes and kills.
 */
export interface CgroupManager {
  readonly version: "v1" | "v2" | "hybrid"
  /**
   * Absolute path of the container's group, by controller; `name=…` for a named v1 hierarchy, `unified` for cgroup2.
   * Controllers that are mounted together have the same path.
   */
  readonly paths: Readonly<Record<string, string>>
  /** Where each of these hierarchies is mounted, by the same keys. */
  readonly mountpoints: Readonly<Record<string, string>>
  /** The directories, absolute, that `create` made, parents first: what `destroy` removes besides the groups. */
  readonly made: ReadonlyArray<string>
  /**
   * The inode of each directory that is or was the container's, by path: in a cgroup file system no two directories ever
   * have the same one. A group that is missing here was about to be made when this was written down: there may be one by
   * its name, with nobody of the container in it. Absent as a whole in what 0.1.0 has written: paths alone are believed.
   */
  readonly inodes?: Readonly<Record<string, bigint>>
}

/** The key of the cgroup2 hierarchy in {@link CgroupManager.paths}. */
export const unified = "unified"

/** One directory of a container's cgroups. */
export interface Group {
  /** The controllers that it serves, as keys of {@link CgroupManager.paths}. */
  readonly keys: ReadonlyArray<string>
  readonly mountpoint: string
  /** Absolute. */
  readonly path: string
  /** Below the mount point, without a slash in front. */
  readonly relative: string
  /** What distinguishes it from another one that has its name by now; `"unmade"`: it was about to be made. */
  readonly inode?: bigint | "unmade"
}

const groupsOf = (manager: CgroupManager): ReadonlyArray<Group> => {
  const byPath = new Map<string, Group & { readonly keys: Array<string> }>()
  for (const [key, path] of Object.entries(manager.paths)) {
    const known = byPath.get(path)
    if (known !== undefined) known.keys.push(key)
    else {
      const mountpoint = manager.mountpoints[key]!
      const identity = manager.inodes === undefined ? {} : { inode: manager.inodes[path] ?? "unmade" as const }
      byPath.set(path, { keys: [key], mountpoint, path, relative: relativeTo(mountpoint, path), ...identity })
    }
  }
  return [...byPath.values()]
}

// the steps of a start and its removal ask ten times, and a manager does not change
/** The directories of a container's cgroups, each once. */
export const groups: (manager: CgroupManager) => ReadonlyArray<Group> = ofRecent(groupsOf)

/** The hierarchies that a container has a cgroup in, each with its controllers. */
export const mounted = ({ mountpoints }: CgroupManager): ReadonlyArray<Pick<Group, "keys" | "mountpoint">> => {
  const keys = new Map<string, Array<string>>()
  for (const [key, mountpoint] of Object.entries(mountpoints)) {
    const known = keys.get(mountpoint)
    if (known === undefined) keys.set(mountpoint, [key])
    else known.push(key)
  }
  return [...keys].map(([mountpoint, controllers]) => ({ keys: controllers, mountpoint }))
}

/** What of a path is below a mount point, without a slash in front. */
export const relativeTo = (mountpoint: string, path: string): string => {
  let start = mountpoint.length
  while (path[start] === "/") start++
  return path.slice(start)
}

/** The group that serves a key; `undefined` if there is none. */
export const groupFor = (all: ReadonlyArray<Group>, key: string): Group | undefined =>
  all.find(({ keys }) => keys.includes(key))

/** The directory that a key stands for; `undefined` if the container has no such hierarchy. */
export const groupOf = (manager: CgroupManager, key: string): Group | undefined => groupFor(groups(manager), key)

/**
 * Decides where a container's cgroups go. Pure; nothing is made yet.
 *
 * An absolute path is below each hierarchy's root; a relative one is below the caller's own cgroup; without a path the
 * name is made from the id. In a pure v2 hierarchy a relative path is *next to* the caller's own cgroup, since a cgroup
 * that holds processes can't have controllers switched on for its children (cgroups(7), "no internal processes").
 */
export const plan = (
  hierarchies: Hierarchies,
  container: { readonly id: string; readonly path?: string | undefined }
): Effect.Effect<CgroupManager, CgroupPathInvalid> => {
  // the prefix keeps an id like "cgroup.procs" from meeting the kernel's own files
  const path = container.path ?? `runfx-${container.id}`
  const invalid = (problem: string) => Effect.fail(new CgroupPathInvalid({ path, problem }))
  const segments = path.split("/").filter((segment) => segment !== "" && segment !== ".")
  if (segments.includes("..")) return invalid("leads upwards: it may not contain \"..\"")
  if (/[\0\n]/.test(path)) return invalid("may not contain a line break or a zero byte")
  if (segments.length === 0) return invalid("is the root of the hierarchy, which can't be a container's cgroup")

  const paths: Record<string, string> = {}
  const mountpoints: Record<string, string> = {}
  for (const { keys, mountpoint, own } of hierarchies.hierarchies) {
    const base = path.startsWith("/") ? [] : own.split("/").filter((segment) => segment !== "")
    if (hierarchies.version === "v2") base.pop()
    for (const key of keys) {
      paths[key] = [mountpoint === "/" ? "" : mountpoint, ...base, ...segments].join("/")
      mountpoints[key] = mountpoint
    }
  }
  return Effect.succeed({ version: hierarchies.version, paths, mountpoints, made: [] })
}
