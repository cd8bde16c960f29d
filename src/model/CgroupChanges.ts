/** Making, removing and changing cgroups. @see cgroups(7) */
import * as Cpuset from "./cgroupCpuset.ts"
import { attachProgram as attachDeviceProgram } from "./cgroupDevices.ts"
import { ownerOf } from "./cgroupMembership.ts"
import { childPath, descendants, keyOf, membersOf, parse, pathsUp } from "./cgroupTree.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { Cgroup, Hierarchy, NodeId } from "./State.ts"

/** Whether a node is a group's directory. */
export const isGroup = (id: NodeId): id is string => typeof id === "string" && /^cg:\d+::/.test(id)

/** The version of a group's hierarchy. */
export const versionOf = (m: Machine, id: string): 1 | 2 => m.hierarchies.need(parse(id).hierarchy).version

// -- directories ------------------------------------------------------------------------------------------------------

/** EAGAIN: a group above allows no more groups, or no deeper ones (`cgroup_check_hierarchy_limits`). */
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

/** What a new group inherits from its parent: settings of version 1 (`css_alloc` of each controller). */
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
    number: m.fresh(),
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

/** Removes a group. EBUSY: it has live processes, or groups below it (`cgroup_destroy_locked`). */
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
    // its files stay with their owner
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

/** Attaches a device program to a group (bpf(2)); EBADF for anything but a group of version 2. */
export const attachProgram = (m: Machine, id: NodeId, instructions: Uint8Array, flags: number): void => {
  if (!isGroup(id)) return refuse("EBADF")
  const { hierarchy, path } = parse(id)
  if (m.hierarchies.need(hierarchy).version !== 2) refuse("EBADF")
  attachDeviceProgram(m, hierarchy, path, instructions, flags)
}
