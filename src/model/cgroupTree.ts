/** The groups of a hierarchy, and who is in them. */
import type { Machine } from "./Machine.ts"
import type { Cgroup, NodeId, Process } from "./State.ts"

/** The node of a group's directory. */
export const directoryOf = (hierarchy: number, path: string): NodeId => `cg:${hierarchy}::${path}`

export const parse = (id: string): { readonly hierarchy: number; readonly path: string; readonly file: string } => {
  // the name of a group may have colons, that of a file has none
  const first = id.indexOf(":", 3)
  const second = id.indexOf(":", first + 1)
  return { hierarchy: Number(id.slice(3, first)), file: id.slice(first + 1, second), path: id.slice(second + 1) }
}

/** The path of a group's node for mountinfo, relative to the reader's cgroup namespace (`cgroup_show_path`). */
export const pathOfGroup = (m: Machine, id: string): string => {
  const { hierarchy, path } = parse(id)
  return relative(path, m.namespace("cgroup", m.self.ns.cgroup).roots.get(hierarchy) ?? "/")
}

/** A path relative to another one: up to the common ancestor, and down again (`kernfs_path_from_node`). */
export const relative = (path: string, root: string): string => {
  const parts = (text: string): ReadonlyArray<string> => text.split("/").filter((part) => part !== "")
  const [from, to] = [parts(root), parts(path)]
  const different = to.findIndex((part, index) => part !== from[index])
  const shared = different < 0 ? Math.min(from.length, to.length) : different
  return `/${[...from.slice(shared).map(() => ".."), ...to.slice(shared)].join("/")}`
}

/** The key of a group in the state's table. */
export const keyOf = (hierarchy: number, path: string): string => `${hierarchy}:${path}`

export const parentPath = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/"

export const childPath = (path: string, name: string): string => path === "/" ? `/${name}` : `${path}/${name}`

/** Whether a path is `ancestor`, or below it. */
export const within = (path: string, ancestor: string): boolean =>
  ancestor === "/" || path === ancestor || path.startsWith(`${ancestor}/`)

/** The paths from a group to the root. */
export const pathsUp = (path: string): ReadonlyArray<string> =>
  path === "/" ? ["/"] : [path, ...pathsUp(parentPath(path))]

/** The group of a process in a hierarchy. */
export const groupOf = (m: Machine, process: Process, hierarchy: number): Cgroup | undefined =>
  m.cgroups.get(keyOf(hierarchy, process.cgroups.get(hierarchy) ?? "/"))

export const membersOf = (m: Machine, hierarchy: number, path: string): ReadonlyArray<Process> =>
  m.processes.values().filter((process) => process.cgroups.get(hierarchy) === path && process.status === "running")

/** Groups below, parents before their children. */
export const descendants = (m: Machine, hierarchy: number, path: string): ReadonlyArray<Cgroup> =>
  m.cgroups.values().filter((group) => group.hierarchy === hierarchy && group.path !== path && within(group.path, path))
    .toSorted((a, b) => a.path.split("/").length - b.path.split("/").length)

export const children = (m: Machine, hierarchy: number, path: string): ReadonlyArray<Cgroup> =>
  descendants(m, hierarchy, path).filter((group) => parentPath(group.path) === path)

/** How many live processes are in a group and in the groups below it. */
export const population = (m: Machine, hierarchy: number, path: string): number =>
  m.processes.values().filter((process) =>
    process.status === "running" && within(process.cgroups.get(hierarchy) ?? "-", path)
  ).length
