/**
 * Which processes may move to which groups, and which controllers a group of version 2 has. @see cgroup-v2.rst,
 * kernel/cgroup/cgroup.c
 */
import { SCHED } from "../native/constants.ts"
import * as Cpuset from "./cgroupCpuset.ts"
import { files2, order, threaded } from "./cgroupFiles.ts"
import { children, groupOf, keyOf, membersOf, parentPath, pathsUp, population, within } from "./cgroupTree.ts"
import { CAP, capableIn, hasNames, processByNumber } from "./Credentials.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { Cgroup, Hierarchy, OpenFile, Process } from "./State.ts"

type Opener = OpenFile["opener"]

// -- domains and threads ----------------------------------------------------------------------------------------------
const parentOf = (m: Machine, group: Cgroup): Cgroup | undefined =>
  group.path === "/" ? undefined : m.cgroups.need(keyOf(group.hierarchy, parentPath(group.path)))

const hasTasks = (m: Machine, group: Cgroup): boolean => membersOf(m, group.hierarchy, group.path).length > 0

const domainControllersOn = ({ controllersOn }: Cgroup): boolean => controllersOn.some((name) => !threaded.has(name))

/** `cgroup_is_thread_root`. */
const isThreadRoot = (m: Machine, group: Cgroup): boolean =>
  group.threaded !== true && (
    children(m, group.hierarchy, group.path).some((child) => child.threaded === true) ||
    (hasTasks(m, group) && group.controllersOn.some((name) => threaded.has(name)))
  )

/** `cgroup_can_be_thread_root`: no processes in domains below, no controllers that want whole processes. */
const canBeThreadRoot = (m: Machine, group: Cgroup): boolean =>
  group.path === "/" || (group.threaded !== true && !domainControllersOn(group) &&
    !children(m, group.hierarchy, group.path).some((child) =>
      child.threaded !== true && population(m, child.hierarchy, child.path) > 0
    ))

/** `cgroup_is_valid_domain`. */
const isValidDomain = (m: Machine, group: Cgroup): boolean => {
  if (group.threaded === true) return false
  for (let above = parentOf(m, group); above !== undefined; above = parentOf(m, above)) {
    if ((above.path !== "/" && isThreadRoot(m, above)) || above.threaded === true) return false
  }
  return true
}

/** The nearest group that is not threaded (`dom_cgrp`). */
const domainOf = (m: Machine, group: Cgroup): Cgroup => {
  const above = group.threaded === true ? parentOf(m, group) : undefined
  return above === undefined ? group : domainOf(m, above)
}

/** `cgroup.type`. */
export const typeOf = (m: Machine, group: Cgroup): string =>
  group.threaded === true
    ? "threaded"
    : !isValidDomain(m, group)
    ? "domain invalid"
    : isThreadRoot(m, group)
    ? "domain threaded"
    : "domain"

/** Whether `cgroup.procs` can't be read, because threads of one process may be in several groups. */
export const hidesProcesses = (group: Cgroup): boolean => group.threaded === true

/** Writes `cgroup.type` (`cgroup_enable_threaded`): there is no way back. */
export const makeThreaded = (m: Machine, group: Cgroup, word: string): void => {
  if (word !== "threaded") refuse("EINVAL")
  if (group.threaded === true) return
  // EOPNOTSUPP: it has processes in it or below, or controllers for whole processes, or its parent can't be a thread root
  if (population(m, group.hierarchy, group.path) > 0 || domainControllersOn(group)) refuse("ENOTSUP")
  const domain = domainOf(m, m.cgroups.need(keyOf(group.hierarchy, parentPath(group.path))))
  if (!isValidDomain(m, domain) || !(isThreadRoot(m, domain) || canBeThreadRoot(m, domain))) refuse("ENOTSUP")
  m.cgroups.set(keyOf(group.hierarchy, group.path), { ...group, threaded: true })
}

// -- migration --------------------------------------------------------------------------------------------------------

/** The owner of a file: that of the group, unless the file itself was given to another. */
export const ownerOf = (group: Cgroup, file: string): { readonly uid: number; readonly gid: number } => {
  const { gid, uid } = group.owners?.get(file) ?? group.filesOwner ?? group
  return { uid, gid }
}

/** Whether the opener of a file may write `cgroup.procs` of a group (`cgroup_may_write`). */
const mayWriteProcs = (m: Machine, group: Cgroup, { creds, userNs }: Opener): boolean => {
  const owner = ownerOf(group, "cgroup.procs")
  const mode = group.owners?.get("cgroup.procs")?.mode ?? 0o644
  if (hasNames(m, userNs, owner) && capableIn(m, creds, userNs, userNs, CAP.DAC_OVERRIDE)) return true
  if (creds.euid === owner.uid) return (mode & 0o200) !== 0
  return (creds.egid === owner.gid || creds.groups.includes(owner.gid) ? mode & 0o020 : mode & 0o002) !== 0
}

/** Version 1: the opener's effective uid is root's, or the process's real or saved one (`__cgroup1_procs_write`). */
const mayMigrate1 = ({ creds }: Opener, { creds: { suid, uid } }: Process): boolean =>
  creds.euid === 0 || creds.euid === uid || creds.euid === suid

/** Version 2 (`cgroup_attach_permissions`). */
const vetMigration2 = (m: Machine, from: Cgroup, to: Cgroup, opener: Opener, whole: boolean): void => {
  const common = pathsUp(from.path).find((path) => within(to.path, path)) ?? "/"
  // EACCES: no rights on the common ancestor's cgroup.procs ("Delegation Containment")
  if (!mayWriteProcs(m, m.cgroups.need(keyOf(to.hierarchy, common)), opener)) refuse("EACCES")
  // EOPNOTSUPP: the group is below a threaded domain, and not threaded itself
  if (!isValidDomain(m, domainOf(m, to))) refuse("ENOTSUP")
  // EBUSY: the group has controllers on for groups below ("No Internal Process Constraint")
  const mixes = to.threaded === true || canBeThreadRoot(m, to) || isThreadRoot(m, to) && !domainControllersOn(to)
  if (!mixes && to.controllersOn.length > 0) refuse("EBUSY")
  // EOPNOTSUPP: threads stay in their domain
  if (!whole && domainOf(m, from).path !== domainOf(m, to).path) refuse("ENOTSUP")
}

/** `PF_EXITING`: nothing happens, and no error is reported. */
const isLeaving = ({ status }: Process): boolean => status === "zombie"

/** A number as kstrtoint(…, 0, …) reads it. EINVAL if it is negative. */
const pidOf = (text: string): number => {
  const word = text.trim()
  if (!/^\+?(?:0x[0-9a-f]+|0[0-7]*|[1-9]\d*)$/i.test(word)) return refuse("EINVAL")
  const plain = word.replace("+", "")
  const value = Number(/^0[0-7]+$/.test(plain) ? `0o${plain.slice(1)}` : plain)
  return value < 2 ** 31 ? value : refuse("EINVAL")
}

/** Writes `cgroup.procs`, `cgroup.threads` or `tasks`; returns the process that has moved, if any. */
export const join = (
  m: Machine,
  hierarchy: Hierarchy,
  group: Cgroup,
  text: string,
  opener: Opener,
  whole: boolean
): Process | undefined => {
  const pid = pidOf(text)
  const process = pid === 0 ? m.self : processByNumber(m, pid) ?? refuse("ESRCH")
  if (hierarchy.version === 1) {
    if (!mayMigrate1(opener, process)) refuse("EACCES")
  } else vetMigration2(m, groupOf(m, process, hierarchy.id) ?? group, group, opener, whole)
  if (isLeaving(process)) return undefined
  Cpuset.mayJoin(hierarchy, group)
  // EINVAL: a real-time process, and a group without real-time runtime (cpu_cgroup_can_attach, CONFIG_RT_GROUP_SCHED)
  const { policy } = process.scheduler
  const next = { ...process, cgroups: new Map(process.cgroups).set(hierarchy.id, group.path) }
  if ((policy === SCHED.FIFO || policy === SCHED.RR) && !hasRealTime(m, next)) refuse("EINVAL")
  m.processes.set(process.pid, next)
  if (hierarchy.controllers.includes("cpuset") && process.cgroups.get(hierarchy.id) !== group.path) {
    Cpuset.updateAffinity(m, process.pid)
  }
  return next
}

/** Whether the group has real-time runtime; in version 1, a new group has none (`cpu.rt_runtime_us`). */
export const hasRealTime = (m: Machine, process: Process): boolean =>
  [...process.cgroups].every(([hierarchy, path]) => {
    const { controllers, version } = m.hierarchies.need(hierarchy)
    if (version === 2 || path === "/" || !controllers.includes("cpu")) return true
    return (m.cgroups.get(keyOf(hierarchy, path))?.values.get("cpu.rt_runtime_us") ?? "0") !== "0"
  })

/** Whether one more child is within `pids.max` of a process's groups and all groups above (`pids_can_fork`). */
export const mayFork = (m: Machine, process: Process): boolean =>
  m.hierarchies.values().every(({ id }) =>
    pathsUp(process.cgroups.get(id) ?? "/").every((path) => {
      const most = m.cgroups.get(keyOf(id, path))?.values.get("pids.max")
      return most === undefined || most === "max" || population(m, id, path) < Number(most)
    })
  )

// -- controllers ------------------------------------------------------------------------------------------------------

/** The controllers whose files a group has: version 2 needs them switched on by the parent. */
export const controllersOf = (m: Machine, hierarchy: Hierarchy, path: string): ReadonlyArray<string> => {
  if (hierarchy.version === 1 || path === "/") return hierarchy.controllers
  const on = m.cgroups.get(keyOf(hierarchy.id, parentPath(path)))?.controllersOn ?? []
  // a threaded group has only controllers that support threads
  return m.cgroups.get(keyOf(hierarchy.id, path))?.threaded === true ? on.filter((name) => threaded.has(name)) : on
}

/** Controllers as the kernel lists them. */
export const listed = (names: ReadonlyArray<string>): string =>
  names.toSorted((a, b) => order.indexOf(a) - order.indexOf(b)).join(" ")

/** Parses words of the form `+name` and `-name`; the last one for a controller counts. EINVAL: no such controller. */
const parseControl = (text: string): ReadonlyMap<string, boolean> => {
  const wanted = new Map<string, boolean>()
  for (const word of text.trim().split(" ").filter((part) => part !== "")) {
    const name = word.slice(1)
    if (!Object.hasOwn(files2, name) || (word[0] !== "+" && word[0] !== "-")) refuse("EINVAL")
    wanted.set(name, word[0] === "+")
  }
  return wanted
}

/** Whether controllers may be switched on for the groups below (`cgroup_vet_subtree_control_enable`). */
const vetEnable = (m: Machine, group: Cgroup, enable: ReadonlyArray<string>): void => {
  if (enable.length === 0) return
  if (!isValidDomain(m, domainOf(m, group))) refuse("ENOTSUP")
  if (group.path === "/") return
  if (enable.some((name) => !threaded.has(name))) {
    // EOPNOTSUPP: controllers for whole processes within a threaded subtree
    if (isThreadRoot(m, group) || group.threaded === true) refuse("ENOTSUP")
  } else if (group.threaded === true || canBeThreadRoot(m, group)) return
  // EBUSY: processes would compete with the groups below
  if (hasTasks(m, group)) refuse("EBUSY")
}

/** Writes `cgroup.subtree_control` (`cgroup_subtree_control_write`). */
export const writeSubtreeControl = (m: Machine, hierarchy: Hierarchy, group: Cgroup, text: string): void => {
  const on = new Set(group.controllersOn)
  const changes = [...parseControl(text)].filter(([name, enable]) => enable !== on.has(name))
  const below = children(m, hierarchy.id, group.path)
  for (const [name, enable] of changes.toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b))) {
    // ENOENT: not available here; EBUSY: a group below uses it
    if (enable && !controllersOf(m, hierarchy, group.path).includes(name)) refuse("ENOENT")
    if (!enable && below.some((child) => child.controllersOn.includes(name))) refuse("EBUSY")
  }
  vetEnable(m, group, changes.flatMap(([name, enable]) => enable ? [name] : []))
  for (const [name, enable] of changes) {
    if (enable) on.add(name)
    else on.delete(name)
  }
  m.cgroups.set(keyOf(hierarchy.id, group.path), { ...group, controllersOn: [...on] })
  // values in the groups below are removed with the files
  for (const child of below) {
    const kept = [...child.values].filter(([file]) =>
      !changes.some(([name, enable]) => !enable && file.startsWith(`${name}.`))
    )
    if (kept.length < child.values.size) {
      m.cgroups.set(keyOf(child.hierarchy, child.path), { ...child, values: new Map(kept) })
    }
  }
}
