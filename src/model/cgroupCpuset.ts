/** The cpuset controller. @see cpuset(7), kernel/cgroup/cpuset.c, cpuset-v1.c */
import { childPath, children, keyOf, membersOf, parentPath } from "./cgroupTree.ts"
import { type Machine, refuse } from "./Machine.ts"
import { unsigned } from "./numbers.ts"
import type { Cgroup, Hierarchy, Process } from "./State.ts"

/** The most memory nodes that a kernel is built for (`MAX_NUMNODES`); this machine has one. */
const mostNodes = 1024

const lastNumber = 0xffffffff

/** The numbers of a list, all below `most`. EINVAL, ERANGE, EOVERFLOW (`bitmap_parselist`). */
const parseList = (m: Machine, text: string, most: number): ReadonlyArray<number> => {
  const numbers = text.split(/[\s,]+/).filter((part) => part !== "").flatMap((part) => {
    if (part.toLowerCase() === "all") return Array.from({ length: most }, (_, index) => index)
    if (/^\d+-\d+:\d+\/\d+$/.test(part)) return m.unmodelled("a list with a stride")
    const found = /^(\d+)(?:-(\d+))?$/.exec(part)
    if (found === null) return refuse("EINVAL")
    const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])]
    // EOVERFLOW: more than 32 bits (bitmap_getnum); EINVAL: a range can't end with the last number
    if (from > lastNumber || to > lastNumber) refuse("EOVERFLOW")
    if (to < from || to === lastNumber) refuse("EINVAL")
    if (to >= most) refuse("ERANGE")
    return Array.from({ length: to - from + 1 }, (_, index) => from + index)
  })
  return [...new Set(numbers)].toSorted((a, b) => a - b)
}

/** Numbers as the kernel lists them: `0-3,7`. */
export const showList = (numbers: ReadonlyArray<number>): string => {
  const ranges: Array<[number, number]> = []
  for (const number of numbers) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] === number - 1) last[1] = number
    else ranges.push([number, number])
  }
  return ranges.map(([from, to]) => from === to ? String(from) : `${from}-${to}`).join(",")
}

const read = (text: string | undefined): ReadonlyArray<number> =>
  (text ?? "").split(",").filter((part) => part !== "").flatMap((part) => {
    const [from, to] = part.split("-").map(Number)
    return Array.from({ length: (to ?? from!) - from! + 1 }, (_, index) => from! + index)
  })

/** `cpuset.cpus` or `cpuset.mems` of a group. */
const own = (group: Cgroup | undefined, name: string): ReadonlyArray<number> => read(group?.values.get(name))

const all = (m: Machine, name: string): ReadonlyArray<number> =>
  name === "cpuset.cpus" ? Array.from({ length: m.facts.cpus }, (_, cpu) => cpu) : [0]

/**
 * The effective list of a group. In version 2 it is the parent's, if the group's own list is empty or has nothing in common
 * with the parent's.
 */
export const effective = (m: Machine, hierarchy: Hierarchy, path: string, name: string): ReadonlyArray<number> => {
  if (path === "/") return all(m, name)
  const mine = own(m.cgroups.get(keyOf(hierarchy.id, path)), name)
  if (hierarchy.version === 1) return mine
  const above = effective(m, hierarchy, parentPath(path), name)
  const both = mine.filter((one) => above.includes(one))
  return both.length === 0 ? above : both
}

const hasFlag = (group: Cgroup | undefined, flag: string): boolean =>
  group?.path === "/" ? flag.endsWith("_exclusive") : group?.values.get(flag) === "1"

const lists = ["cpuset.cpus", "cpuset.mems"] as const

const flags = ["cpuset.cpu_exclusive", "cpuset.mem_exclusive"] as const

/** Whether a group's lists are subsets of another's (`is_cpuset_subset`). */
const isSubset = (m: Machine, a: Cgroup, b: Cgroup): boolean =>
  lists.every((name) => {
    const wide = b.path === "/" ? all(m, name) : own(b, name)
    return own(a, name).every((one) => wide.includes(one))
  }) && flags.every((flag) => !hasFlag(a, flag) || hasFlag(b, flag))

/** The rules of version 1 for a change (`validate_change_legacy`, `validate_change`). */
const validate = (m: Machine, trial: Cgroup): void => {
  const { hierarchy, path } = trial
  // EBUSY: a group below has more; EACCES: it would have more than its parent
  if (children(m, hierarchy, path).some((child) => !isSubset(m, child, trial))) refuse("EBUSY")
  const parent = m.cgroups.need(keyOf(hierarchy, parentPath(path)))
  if (!isSubset(m, trial, parent)) refuse("EACCES")
  // EINVAL: it overlaps with a sibling, and one of the two is exclusive
  for (const sibling of children(m, hierarchy, parent.path)) {
    if (sibling.path === path) continue
    for (const [index, name] of lists.entries()) {
      const exclusive = hasFlag(trial, flags[index]!) || hasFlag(sibling, flags[index]!)
      if (exclusive && own(trial, name).some((one) => own(sibling, name).includes(one))) refuse("EINVAL")
    }
  }
  // ENOSPC: a list of a group with members can't become empty
  const before = m.cgroups.need(keyOf(hierarchy, path))
  const emptied = lists.some((name) => own(before, name).length > 0 && own(trial, name).length === 0)
  if (emptied && membersOf(m, hierarchy, path).length > 0) refuse("ENOSPC")
}

/** The processors that its cpusets allow a process. */
export const allowedCpus = (m: Machine, process: Process): ReadonlyArray<number> => {
  for (const hierarchy of m.hierarchies.values()) {
    const path = process.cgroups.get(hierarchy.id) ?? "/"
    if (path === "/" || !hierarchy.controllers.includes("cpuset")) continue
    const found = effective(m, hierarchy, path, "cpuset.cpus")
    if (found.length > 0) return found
  }
  return all(m, "cpuset.cpus")
}

/**
 * Sets the processors of a process to those of its cpuset. If it has requested some of them, it gets only these
 * (`user_cpus_ptr`).
 */
export const updateAffinity = (m: Machine, pid: number): void => {
  const process = m.processes.need(pid)
  const allowed = allowedCpus(m, process)
  const asked = process.askedAffinity?.filter((cpu) => allowed.includes(cpu)) ?? []
  m.processes.set(pid, { ...process, affinity: asked.length > 0 ? asked : allowed })
}

/** Writes `cpuset.cpus` or `cpuset.mems`. */
export const writeList = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string, text: string): void => {
  // EACCES: the root always has all; ERANGE: impossible numbers; EINVAL: numbers that the machine does not have
  // (update_cpumask)
  if (group.path === "/") refuse("EACCES")
  const wanted = parseList(m, text, name === "cpuset.cpus" ? m.facts.cpus : mostNodes)
  const there = all(m, name)
  if (wanted.some((one) => !there.includes(one))) refuse("EINVAL")
  const trial = { ...group, values: new Map(group.values).set(name, showList(wanted)) }
  if (hierarchy.version === 1) validate(m, trial)
  m.cgroups.set(keyOf(hierarchy.id, group.path), trial)
  for (const process of m.processes.values()) {
    const at = process.cgroups.get(hierarchy.id) ?? "/"
    if (process.status === "running" && (at === group.path || hierarchy.version === 2 && at.startsWith(group.path))) {
      updateAffinity(m, process.pid)
    }
  }
}

/** Writes a flag of version 1. */
export const writeFlag = (m: Machine, group: Cgroup, name: string, text: string): void => {
  // only 32 bits of the value count (cpuset_update_flag)
  const value = BigInt.asUintN(32, unsigned(text)) === 0n ? "0" : "1"
  if (group.path === "/") return m.unmodelled("flags of the root cpuset")
  const trial = { ...group, values: new Map(group.values).set(name, value) }
  validate(m, trial)
  m.cgroups.set(keyOf(group.hierarchy, group.path), trial)
}

/** ENOSPC: in version 1, a process can't join a cpuset without processors or nodes (cpuset(7)). */
export const mayJoin = (hierarchy: Hierarchy, group: Cgroup): void => {
  if (hierarchy.version === 2 || group.path === "/" || !hierarchy.controllers.includes("cpuset")) return
  if (lists.some((name) => own(group, name).length === 0)) refuse("ENOSPC")
}

/** The lists of a new group: with `cgroup.clone_children` its parent's, if no sibling is exclusive. */
export const inherited = (
  m: Machine,
  hierarchy: Hierarchy,
  parent: Cgroup,
  name: string
): ReadonlyMap<string, string> => {
  const clones = parent.values.get("cgroup.clone_children") === "1"
  if (hierarchy.version === 2 || !clones || !hierarchy.controllers.includes("cpuset")) return new Map()
  const siblings = children(m, hierarchy.id, parent.path).filter(({ path }) => path !== childPath(parent.path, name))
  if (siblings.some((sibling) => flags.some((flag) => hasFlag(sibling, flag)))) return new Map()
  return new Map(lists.map((list) => [list, showList(parent.path === "/" ? all(m, list) : own(parent, list))]))
}
