/** Cgroups of the machine besides those of this process, with what is below them, and the processes in them. */
import { readdirSync, statSync } from "node:fs"
import { childPath, keyOf } from "../cgroupTree.ts"
import type { Cgroup } from "../State.ts"
import { hierarchyOf, type HostMount, type Making, parse, shownGroup } from "./hostMounts.ts"
import { hostText } from "./hostUser.ts"
import { ancestors } from "./objects.ts"

const textOf = (directory: string, file: string): string => (hostText(`${directory}/${file}`) ?? "").trim()

const wordsOf = (text: string): ReadonlyArray<string> => text.split(/\s+/).filter((word) => word !== "")

/** What a directory of a hierarchy is; `undefined` if it is not there. */
const groupAt = (directory: string): Omit<Cgroup, "hierarchy" | "path"> | undefined => {
  try {
    const { gid, ino, mode, uid } = statSync(directory)
    return {
      number: ino,
      uid,
      gid,
      mode: mode & 0o7777,
      values: new Map(),
      freeze: textOf(directory, "cgroup.freeze") === "1" || textOf(directory, "freezer.self_freezing") === "1",
      freezingReads: 0,
      controllersOn: wordsOf(textOf(directory, "cgroup.subtree_control")),
      programs: [],
      ...textOf(directory, "cgroup.type") === "threaded" ? { threaded: true as const } : {}
    }
  } catch {
    return undefined
  }
}

const directoriesIn = (directory: string): ReadonlyArray<string> => {
  try {
    return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => entry.isDirectory() ? [entry.name] : [])
  } catch {
    // it is gone, or deeper than a path can be
    return []
  }
}

/** The mount that a directory is in. */
const mountOf = (mounts: ReadonlyArray<HostMount>, directory: string): HostMount | undefined =>
  mounts.findLast(({ point }) => directory.startsWith(`${point}/`))

/**
 * Adds the groups of these directories, which need not exist, to a model.
 *
 * @returns the processes that are in them
 */
export const hostGroups = (
  { hierarchies, make }: Pick<Making, "hierarchies" | "make">,
  mountinfo: string,
  directories: ReadonlyArray<string>
): ReadonlySet<number> => {
  const pids = new Set<number>()
  const mounts = mountinfo.trim().split("\n").map(parse).filter((line) => hierarchyOf(hierarchies, line) !== undefined)
  for (const directory of directories) {
    const mount = mountOf(mounts, directory)
    if (mount === undefined) continue
    const hierarchy = hierarchyOf(hierarchies, mount)!
    const above = shownGroup(make, hierarchy, mount)
    const add = (place: string): boolean => {
      const path = `${above === "/" ? "" : above}${place.slice(mount.point.length)}`
      const group = groupAt(place)
      if (group !== undefined) make.cgroups.set(keyOf(hierarchy, path), { ...group, hierarchy, path })
      return group !== undefined
    }
    // those above it, too: the model has only those of this process
    for (const part of ancestors(directory.slice(mount.point.length))) if (!add(`${mount.point}${part}`)) break
    const waiting = [directory]
    for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
      if (!add(place)) continue
      for (const pid of wordsOf(textOf(place, "cgroup.procs"))) pids.add(Number(pid))
      for (const name of directoriesIn(place)) waiting.push(childPath(place, name))
    }
  }
  // a process of another pid namespace has the number 0
  pids.delete(0)
  return pids
}
