/**
 * Control groups, versions 1 and 2, as file trees. @see cgroups(7), the kernel's admin-guide/cgroup-v1 and cgroup-v2.rst
 */
import { SIG } from "../native/constants.ts"
import * as Cpuset from "./cgroupCpuset.ts"
import { attachProgram as attachDeviceProgram, changeDevices, listDevices } from "./cgroupDevices.ts"
import { files1, files2, initialValue, readonlyFile, writeOnly } from "./cgroupFiles.ts"
import {
  controllersOf,
  hidesProcesses,
  join,
  listed,
  makeThreaded,
  ownerOf,
  typeOf,
  writeSubtreeControl
} from "./cgroupMembership.ts"
import {
  childPath,
  children,
  descendants,
  keyOf,
  membersOf,
  parentPath,
  pathsUp,
  population,
  within
} from "./cgroupTree.ts"
import { writeValue } from "./cgroupValues.ts"
import { encode, type Machine, refuse } from "./Machine.ts"
import type { View } from "./Nodes.ts"
import { Gone } from "./Processes.ts"
import * as Signals from "./Signals.ts"
import type { Cgroup, Hierarchy, NodeId, OpenFile, Process } from "./State.ts"

export { allowedCpus } from "./cgroupCpuset.ts"
export { deviceAllowed } from "./cgroupDevices.ts"
export { hasRealTime, mayFork } from "./cgroupMembership.ts"
export { keyOf } from "./cgroupTree.ts"

/** The node of a group's directory. */
export const directoryOf = (hierarchy: number, path: string): NodeId => `cg:${hierarchy}::${path}`

const parse = (id: string): { readonly hierarchy: number; readonly path: string; readonly file: string } => {
  // the name of a group may hold colons, that of a file does not
  const first = id.indexOf(":", 3)
  const second = id.indexOf(":", first + 1)
  return { hierarchy: Number(id.slice(3, first)), file: id.slice(first + 1, second), path: id.slice(second + 1) }
}

/** Whether a node is a group's directory. */
export const isGroup = (id: NodeId): id is string => typeof id === "string" && /^cg:\d+::/.test(id)

/** The path of a group by its node, for mountinfo: as the reader's cgroup namespace has it (`cgroup_show_path`). */
export const pathOfGroup = (m: Machine, id: string): string => {
  const { hierarchy, path } = parse(id)
  return relative(path, m.namespace("cgroup", m.self.ns.cgroup).roots.get(hierarchy) ?? "/")
}

/** Whether the group, or one above it, is frozen. */
const frozen = (m: Machine, hierarchy: number, path: string): boolean => {
  for (let here = path;; here = parentPath(here)) {
    if (m.cgroups.get(keyOf(hierarchy, here))?.freeze === true) return true
    if (here === "/") return false
  }
}

/** Whether a process is frozen by any of its groups. */
export const isFrozen = (m: Machine, process: Process): boolean =>
  // asked before every call: mostly nothing is frozen at all
  m.cgroups.find(({ freeze }) => freeze) !== undefined &&
  [...process.cgroups].some(([hierarchy, path]) => frozen(m, hierarchy, path))

/** Whether it is frozen by version 1, where even SIGKILL waits for the thaw (admin-guide/cgroup-v1/freezer-subsystem.rst). */
export const isFrozenHard = (m: Machine, process: Process): boolean =>
  [...process.cgroups].some(([hierarchy, path]) =>
    m.hierarchies.need(hierarchy).version === 1 && frozen(m, hierarchy, path)
  )

// ── files ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const core1 = ["cgroup.procs", "tasks", "notify_on_release", "cgroup.clone_children"]
const core2 = [
  "cgroup.procs",
  "cgroup.threads",
  "cgroup.controllers",
  "cgroup.subtree_control",
  "cgroup.stat",
  "cgroup.max.depth",
  "cgroup.max.descendants"
]
const below2 = ["cgroup.events", "cgroup.type", "cgroup.freeze", "cgroup.kill", "cpu.stat"]
/** Numbers that may be followed by a newline, and by nothing else (`kstrtoull`). */
const bareNumbers =
  /^(?:cpu\.(?:shares|cfs_\w+|rt_\w+|idle|weight|max\.burst)|cpuset\.(?!cpus$|mems$)\w+|memory\.(?:swappiness|oom_control|use_hierarchy)|blkio\.bfq\.weight|notify_on_release|cgroup\.clone_children)$/

const filesOf = (m: Machine, hierarchy: Hierarchy, path: string): ReadonlyArray<string> => {
  const table = hierarchy.version === 1 ? files1 : files2
  const own = controllersOf(m, hierarchy, path).flatMap((controller) => Object.keys(table[controller] ?? {}))
  // the root of a version 2 hierarchy has no limits, and version 1 no freezer state
  if (path === "/") {
    return hierarchy.version === 1
      ? [...core1, "release_agent", ...own.filter((name) => !name.startsWith("freezer.") && name !== "pids.max")]
      : core2
  }
  return hierarchy.version === 1 ? [...core1, ...own] : [...core2, ...below2, ...own]
}

/** Whether a group has a file: what {@link filesOf} lists, without the list. */
const hasFile = (m: Machine, hierarchy: Hierarchy, path: string, name: string): boolean => {
  const isRoot = path === "/"
  if (hierarchy.version === 1 ? core1.includes(name) : core2.includes(name)) return true
  if (hierarchy.version === 2 ? isRoot : isRoot && (name.startsWith("freezer.") || name === "pids.max")) return false
  if (hierarchy.version === 2 ? below2.includes(name) : isRoot && name === "release_agent") return true
  const table = hierarchy.version === 1 ? files1 : files2
  return controllersOf(m, hierarchy, path).some((controller) => table[controller]?.[name] !== undefined)
}

const content = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string): string => {
  const { path } = group
  switch (name) {
    case "cgroup.procs":
    case "cgroup.threads":
    case "tasks":
      return listMembers(m, hierarchy, group, name)
    case "cgroup.controllers":
      return lineOf(listed(controllersOf(m, hierarchy, path)))
    case "cgroup.subtree_control":
      return lineOf(listed(group.controllersOn))
    case "cgroup.events":
      return `populated ${population(m, hierarchy.id, path) > 0 ? 1 : 0}\nfrozen ${
        frozen(m, hierarchy.id, path) ? 1 : 0
      }\n`
    case "cgroup.freeze":
      return `${group.freeze ? 1 : 0}\n`
    case "cgroup.type":
      return `${typeOf(m, group)}\n`
    case "freezer.state":
      if (!frozen(m, hierarchy.id, path)) return "THAWED\n"
      if (group.freezingReads > 0) {
        m.cgroups.set(keyOf(hierarchy.id, path), { ...group, freezingReads: group.freezingReads - 1 })
        return "FREEZING\n"
      }
      return "FROZEN\n"
    case "pids.current":
      return `${population(m, hierarchy.id, path)}\n`
    case "freezer.self_freezing":
      return `${group.freeze ? 1 : 0}\n`
    case "freezer.parent_freezing":
      return `${frozen(m, hierarchy.id, parentPath(path)) ? 1 : 0}\n`
    case "cpuset.effective_cpus":
    case "cpuset.cpus.effective":
      return `${Cpuset.showList(Cpuset.effective(m, hierarchy, path, "cpuset.cpus"))}\n`
    case "cpuset.effective_mems":
    case "cpuset.mems.effective":
      return `${Cpuset.showList(Cpuset.effective(m, hierarchy, path, "cpuset.mems"))}\n`
    case "devices.list":
      return listDevices(group)
    default: {
      const value = group.values.get(name) ?? initialValue(hierarchy.version, hierarchy.controllers, name)
      // lists of devices without a line have none; an empty cpuset has an empty one
      return value === "" && !name.startsWith("cpuset.") ? "" : `${value}\n`
    }
  }
}

const lineOf = (text: string): string => text === "" ? "" : `${text}\n`

/** Members by number; version 1 leaves out those that the reader's pid namespace does not see, version 2 tells 0. */
const listMembers = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string): string => {
  // EOPNOTSUPP: a threaded group (cgroup_procs_start)
  if (name === "cgroup.procs" && hidesProcesses(group)) refuse("ENOTSUP")
  // a threaded domain tells the processes of its threaded groups as its own
  const threads = name === "cgroup.procs"
    ? children(m, hierarchy.id, group.path).filter((child) => child.threaded === true).map(({ path }) => path)
    : []
  return [group.path, ...threads].flatMap((path) => membersOf(m, hierarchy.id, path))
    .map(({ numbers }) => numbers.get(m.self.ns.pid) ?? 0)
    .filter((number) => number !== 0 || hierarchy.version === 2)
    .toSorted((a, b) => a - b).map((number) => `${number}\n`).join("")
}

const setFreeze = (m: Machine, hierarchy: Hierarchy, group: Cgroup, freeze: boolean): void => {
  // who is on the way there goes on, however often it is told (freezer_apply_state)
  const freezingReads = !freeze ? 0 : group.freeze ? group.freezingReads : m.facts.freezingReads
  m.cgroups.set(keyOf(hierarchy.id, group.path), { ...group, freeze, freezingReads })
  // signals that waited for the thaw are delivered now
  if (!freeze) {
    for (const process of m.processes.values()) {
      // the end of one may be the end of others, by their parent-death signals
      if (m.processes.has(process.pid) && within(process.cgroups.get(hierarchy.id) ?? "-", group.path)) {
        Signals.deliverPending(m, process.pid)
      }
    }
  }
}

/** Kills all in a group and below, also frozen ones. */
const killAll = (m: Machine, hierarchy: Hierarchy, group: Cgroup, word: string): void => {
  // EINVAL: no number; ERANGE: another one; EOPNOTSUPP: a threaded group (cgroup_kill_write)
  if (!/^-?\d+$/.test(word)) refuse("EINVAL")
  if (word !== "1") refuse("ERANGE")
  if (group.threaded === true) refuse("ENOTSUP")
  for (const process of m.processes.values()) {
    // the end of a pid namespace's init has been that of others
    if (m.processes.get(process.pid)?.status !== "running") continue
    if (within(process.cgroups.get(hierarchy.id) ?? "-", group.path)) Signals.kill(m, process.pid, SIG.KILL)
  }
  // the writer may be one of them
  if (m.processes.get(m.pid)?.status !== "running") throw new Gone()
}

const change = (
  m: Machine,
  hierarchy: Hierarchy,
  group: Cgroup,
  name: string,
  text: string,
  opener: OpenFile["opener"]
): void => {
  // nothing is written by nothing (cgroup_file_write)
  if (text === "") return
  const word = bareNumbers.test(name) ? text.replace(/\n$/, "") : text.trim()
  switch (name) {
    case "cgroup.procs":
    case "cgroup.threads":
    case "tasks": {
      const moved = join(m, hierarchy, group, text, opener, name === "cgroup.procs")
      // who leaves a frozen group gets the signals that waited
      if (moved !== undefined && !isFrozen(m, moved)) Signals.deliverPending(m, moved.pid)
      return
    }
    case "cgroup.subtree_control":
      return writeSubtreeControl(m, hierarchy, group, text)
    case "cgroup.type":
      return makeThreaded(m, group, word)
    case "freezer.state":
      // EINVAL: FROZEN and THAWED only
      return word === "FROZEN" || word === "THAWED"
        ? setFreeze(m, hierarchy, group, word === "FROZEN")
        : refuse("EINVAL")
    case "cgroup.freeze":
      // ERANGE: another number (cgroup_freeze_write)
      if (!/^-?\d+$/.test(word)) refuse("EINVAL")
      return word === "0" || word === "1" ? setFreeze(m, hierarchy, group, word === "1") : refuse("ERANGE")
    case "cgroup.kill":
      return killAll(m, hierarchy, group, word)
    case "devices.allow":
    case "devices.deny":
      return changeDevices(m, group, name === "devices.allow", word)
    case "cpuset.cpus":
    case "cpuset.mems":
      return Cpuset.writeList(m, hierarchy, group, name, word)
    default:
      return hierarchy.version === 1 && name.startsWith("cpuset.") && name !== "cpuset.sched_load_balance"
        ? Cpuset.writeFlag(m, group, name, word)
        : writeValue(m, hierarchy, group, name, word)
  }
}

// ── directories ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** EAGAIN: a group above lets no more, or no deeper, groups be made (`cgroup_check_hierarchy_limits`). */
const checkRoom = (m: Machine, hierarchy: number, parent: string): void => {
  for (const [depth, path] of pathsUp(parent).entries()) {
    const values = m.cgroups.need(keyOf(hierarchy, path)).values
    const limit = (name: string): number => {
      const value = values.get(name) ?? "max"
      return value === "max" ? Infinity : Number(value)
    }
    if (descendants(m, hierarchy, path).length >= limit("cgroup.max.descendants")) refuse("EAGAIN")
    if (depth + 1 > limit("cgroup.max.depth")) refuse("EAGAIN")
  }
}

/** What a new group takes over from its parent: settings of version 1 (`css_alloc` of each controller). */
const inheritedValues = (
  m: Machine,
  hierarchy: Hierarchy,
  parent: Cgroup,
  name: string
): ReadonlyMap<string, string> => {
  const names = new Set(["cgroup.clone_children", "notify_on_release", "memory.swappiness"])
  const oom = parent.values.get("memory.oom_control")
  return new Map([
    ...[...parent.values].filter(([file]) => hierarchy.version === 1 && names.has(file)),
    ...hierarchy.version === 1 && oom !== undefined ? [["memory.oom_control", oom] as const] : [],
    ...Cpuset.inherited(m, hierarchy, parent, name)
  ])
}

export const makeGroup = (m: Machine, parent: string, name: string, mode: number): void => {
  const { hierarchy: id, path } = parse(parent)
  const hierarchy = m.hierarchies.need(id)
  // EINVAL: a newline would break /proc/<pid>/cgroup (cgroup_mkdir)
  if (name.includes("\n")) refuse("EINVAL")
  if (hierarchy.version === 2) checkRoom(m, id, path)
  const above = m.cgroups.need(keyOf(id, path))
  const { egid, euid } = m.self.creds
  const full = childPath(path, name)
  m.cgroups.set(keyOf(id, full), {
    hierarchy: id,
    path: full,
    uid: euid,
    gid: egid,
    mode,
    values: inheritedValues(m, hierarchy, above, name),
    freeze: false,
    freezingReads: 0,
    controllersOn: [],
    programs: [],
    // the devices of a new group are its parent's (cgroup-v1/devices.rst)
    ...above.devices === undefined || hierarchy.version === 2 ? {} : { devices: above.devices }
  })
}

/** EBUSY: processes that live, or groups below (`cgroup_destroy_locked`). */
export const removeGroup = (m: Machine, id: string): void => {
  const { hierarchy, path } = parse(id)
  if (path === "/") refuse("EBUSY")
  if (membersOf(m, hierarchy, path).length > 0 || descendants(m, hierarchy, path).length > 0) refuse("EBUSY")
  m.cgroups.delete(keyOf(hierarchy, path))
}

export const changeGroup = (
  m: Machine,
  id: string,
  fields: { readonly uid?: number; readonly gid?: number; readonly mode?: number }
): void => {
  const { hierarchy, path } = parse(id)
  m.cgroups.update(keyOf(hierarchy, path), (group) => ({
    ...group,
    ...fields,
    // its files stay with whoever made it
    filesOwner: group.filesOwner ?? { uid: group.uid, gid: group.gid }
  }))
}

/** Changes the owner or the mode of one file of a group; EPERM for other computed files. */
export const changeFile = (
  m: Machine,
  id: NodeId,
  fields: { readonly uid?: number; readonly gid?: number; readonly mode?: number }
): void => {
  if (typeof id !== "string" || !id.startsWith("cg:")) return refuse("EPERM")
  const { file, hierarchy, path } = parse(id)
  m.cgroups.update(keyOf(hierarchy, path), (group) => ({
    ...group,
    owners: new Map(group.owners).set(file, { ...ownerOf(group, file), ...group.owners?.get(file), ...fields })
  }))
}

/** Attaches a device program to a group (bpf(2)); EBADF for what is no group of version 2. */
export const attachProgram = (m: Machine, id: NodeId, instructions: Uint8Array, flags: number): void => {
  if (!isGroup(id)) return refuse("EBADF")
  const { hierarchy, path } = parse(id)
  if (m.hierarchies.need(hierarchy).version !== 2) refuse("EBADF")
  attachDeviceProgram(m, hierarchy, path, instructions, flags)
}

/** The last name of a group's path; empty for the root. */
const lastName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** The node with an id of the form `cg:<hierarchy>:<file>:<path>`. */
export const cgroupNode = (m: Machine, id: string): View | undefined => {
  const { file, hierarchy: number, path } = parse(id)
  const group = m.cgroups.get(keyOf(number, path))
  const hierarchy = m.hierarchies.get(number)
  if (group === undefined || hierarchy === undefined) return undefined
  const fs = m.fileSystems.find(({ shows, type }) => shows === number && type.startsWith("cgroup"))?.id ?? 0
  if (file !== "") return hasFile(m, hierarchy, path, file) ? fileNode(m, id, fs, hierarchy, group, file) : undefined
  return {
    id,
    fs,
    parent: path === "/" ? id : directoryOf(number, parentPath(path)),
    name: lastName(path),
    mode: group.mode,
    uid: group.uid,
    gid: group.gid,
    type: "d",
    list: () => [...filesOf(m, hierarchy, path), ...children(m, number, path).map((child) => lastName(child.path))],
    lookup: (name) =>
      hasFile(m, hierarchy, path, name)
        ? `cg:${number}:${name}:${path}`
        : m.cgroups.has(keyOf(number, childPath(path, name)))
        ? directoryOf(number, childPath(path, name))
        : undefined
  }
}

const fileNode = (m: Machine, id: string, fs: number, hierarchy: Hierarchy, group: Cgroup, name: string): View => {
  const { gid, uid } = ownerOf(group, name)
  const now = (): Cgroup => m.cgroups.need(keyOf(hierarchy.id, group.path))
  return {
    id,
    fs,
    parent: directoryOf(hierarchy.id, group.path),
    name,
    mode: group.owners?.get(name)?.mode ?? (writeOnly.has(name) ? 0o200 : readonlyFile.test(name) ? 0o444 : 0o644),
    uid,
    gid,
    type: "f",
    read: () => writeOnly.has(name) ? refuse("EINVAL") : encode(content(m, hierarchy, now(), name)),
    write: (text, opener) =>
      readonlyFile.test(name) ? refuse("EINVAL") : change(m, hierarchy, now(), name, text, opener)
  }
}

/** A hierarchy's name in `/proc/self/cgroup` and in mount options. */
export const nameOf = ({ controllers, name, version }: Hierarchy): string =>
  version === 2 ? "" : name === undefined ? controllers.join(",") : `name=${name}`

/** `/proc/<pid>/cgroup`: paths are relative to the root of the reader's cgroup namespace (cgroup_namespaces(7)). */
export const describeMembership = (m: Machine, process: Process): string => {
  const { roots } = m.namespace("cgroup", m.self.ns.cgroup)
  return m.hierarchies.values().toSorted((a, b) => b.id - a.id).map((hierarchy) => {
    // a zombie has left its groups of version 1 (proc_cgroup_show)
    const left = process.status === "zombie" && hierarchy.version === 1
    const path = left ? "/" : process.cgroups.get(hierarchy.id) ?? "/"
    const root = roots.get(hierarchy.id) ?? "/"
    return `${hierarchy.version === 2 ? 0 : hierarchy.id}:${nameOf(hierarchy)}:${relative(path, root)}\n`
  }).join("")
}

/** A path as it is from another one: up to what they share, and down again (`kernfs_path_from_node`). */
const relative = (path: string, root: string): string => {
  const parts = (text: string): ReadonlyArray<string> => text.split("/").filter((part) => part !== "")
  const [from, to] = [parts(root), parts(path)]
  const different = to.findIndex((part, index) => part !== from[index])
  const shared = different < 0 ? Math.min(from.length, to.length) : different
  return `/${[...from.slice(shared).map(() => ".."), ...to.slice(shared)].join("/")}`
}
