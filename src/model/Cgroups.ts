/**
 * Control groups, versions 1 and 2, as file trees. @see cgroups(7), the kernel's admin-guide/cgroup-v1 and cgroup-v2.rst
 */
import { SIG } from "../native/constants.ts"
import * as Cpuset from "./cgroupCpuset.ts"
import { changeDevices, listDevices } from "./cgroupDevices.ts"
import { files1, files2, initialValue, readonlyFile, unreadFiles, writeOnly } from "./cgroupFiles.ts"
import { frozen, isFrozen } from "./cgroupFreezer.ts"
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
  directoryOf,
  keyOf,
  membersOf,
  parentPath,
  parse,
  population,
  relative,
  within
} from "./cgroupTree.ts"
import { writeValue } from "./cgroupValues.ts"
import { deliverPending, kill } from "./ending.ts"
import { encode, Gone, type Machine, refuse } from "./Machine.ts"
import { memoryIn } from "./Memory.ts"
import type { View } from "./Nodes.ts"
import { signed } from "./numbers.ts"
import type { Cgroup, Hierarchy, OpenFile, Process } from "./State.ts"

// -- files ------------------------------------------------------------------------------------------------------------
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

/** Files whose text is not trimmed: numbers that may be followed by a newline (`kstrtoull`), limits of devices. */
const bareNumbers =
  /^(?:cpu\.(?:shares|cfs_\w+|rt_\w+|idle|weight|max\.burst)|cpuset\.(?!cpus$|mems$)\w+|memory\.(?:swappiness|oom_control|use_hierarchy)|blkio\.(?:bfq\.weight|throttle\.\w+)|io\.max|notify_on_release|cgroup\.clone_children)$/

const unreadAtRoot = ["cgroup.pressure", "cpu.pressure", "cpu.stat", "cpu.stat.local", "io.pressure", "memory.pressure"]

/** Files whose content is not modelled; the root has other files. */
const unread = (m: Machine, hierarchy: Hierarchy, path: string): ReadonlyArray<string> =>
  path === "/"
    ? hierarchy.version === 2 ? unreadAtRoot : []
    : unreadFiles(hierarchy.version, controllersOf(m, hierarchy, path))

const filesOf = (m: Machine, hierarchy: Hierarchy, path: string): ReadonlyArray<string> => {
  const table = hierarchy.version === 1 ? files1 : files2
  const own = controllersOf(m, hierarchy, path).flatMap((controller) => Object.keys(table[controller] ?? {}))
  // the root of a version 2 hierarchy has no limits, and version 1 no freezer state
  if (path === "/") {
    return hierarchy.version === 1
      ? [...core1, "release_agent", ...own.filter((name) => !name.startsWith("freezer.") && name !== "pids.max")]
      : [...core2, ...unreadAtRoot]
  }
  const all = [...own, ...unread(m, hierarchy, path)]
  return hierarchy.version === 1 ? [...core1, ...all] : [...core2, ...below2, ...all]
}

/** Whether a group has a file; as {@link filesOf}, without making the list. */
const hasFile = (m: Machine, hierarchy: Hierarchy, path: string, name: string): boolean => {
  const isRoot = path === "/"
  if (hierarchy.version === 1 ? core1.includes(name) : core2.includes(name)) return true
  if (
    hierarchy.version === 2
      ? isRoot && !unreadAtRoot.includes(name)
      : isRoot && (name.startsWith("freezer.") || name === "pids.max")
  ) return false
  if (hierarchy.version === 2 ? below2.includes(name) : isRoot && name === "release_agent") return true
  const table = hierarchy.version === 1 ? files1 : files2
  return controllersOf(m, hierarchy, path).some((controller) => table[controller]?.[name] !== undefined) ||
    unread(m, hierarchy, path).includes(name)
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
    case "cpu.stat":
      if (hierarchy.version === 1) return `${initialValue(1, hierarchy.controllers, name)}\n`
      return controllersOf(m, hierarchy, path).includes("cpu") ? `${cpuTime}${cpuBandwidth}` : cpuTime
    case "pids.current":
      return `${population(m, hierarchy.id, path)}\n`
    case "memory.current":
    case "memory.usage_in_bytes":
    case "memory.memsw.usage_in_bytes":
      return `${memoryIn(m, hierarchy.id, path)}\n`
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
      // an empty list of devices has no line; an empty cpuset has an empty line
      return value === "" && !name.startsWith("cpuset.") ? "" : `${value}\n`
    }
  }
}

/**
 * The CPU times that every group counts (`cgroup_base_stat_cputime_show`), and the lines that the cpu controller adds
 * (`cpu_cfs_stat_show`).
 */
const cpuTime = "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnice_usec 0\n"
const cpuBandwidth = "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n"

const lineOf = (text: string): string => text === "" ? "" : `${text}\n`

/**
 * Members by number. A member that the reader's pid namespace does not see is left out in version 1, and listed as 0 in
 * version 2.
 */
const listMembers = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string): string => {
  // EOPNOTSUPP: a threaded group (cgroup_procs_start)
  if (name === "cgroup.procs" && hidesProcesses(group)) refuse("ENOTSUP")
  // a threaded domain lists the processes of its threaded groups as its own
  const threads = name === "cgroup.procs"
    ? children(m, hierarchy.id, group.path).filter((child) => child.threaded === true).map(({ path }) => path)
    : []
  return [group.path, ...threads].flatMap((path) => membersOf(m, hierarchy.id, path))
    .map(({ numbers }) => numbers.get(m.self.ns.pid) ?? 0)
    .filter((number) => number !== 0 || hierarchy.version === 2)
    .toSorted((a, b) => a - b).map((number) => `${number}\n`).join("")
}

const setFreeze = (m: Machine, hierarchy: Hierarchy, group: Cgroup, freeze: boolean): void => {
  // a group that is freezing already continues, however often it is written (freezer_apply_state)
  const freezingReads = !freeze ? 0 : group.freeze ? group.freezingReads : m.facts.freezingReads
  m.cgroups.set(keyOf(hierarchy.id, group.path), { ...group, freeze, freezingReads })
  // signals that waited for the thaw are delivered now
  if (!freeze) {
    for (const process of m.processes.values()) {
      // the end of one may end others, by their parent-death signals
      if (m.processes.has(process.pid) && within(process.cgroups.get(hierarchy.id) ?? "-", group.path)) {
        deliverPending(m, process.pid)
      }
    }
  }
}

/** Kills all processes in a group and below it, also frozen ones. */
const killAll = (m: Machine, hierarchy: Hierarchy, group: Cgroup, word: string): void => {
  // EINVAL: not a number; ERANGE: a number other than 1; EOPNOTSUPP: a threaded group (cgroup_kill_write)
  if (signed(word, 32) !== 1n) refuse("ERANGE")
  if (group.threaded === true) refuse("ENOTSUP")
  for (const process of m.processes.values()) {
    // the end of a pid namespace's init may have ended it already
    if (m.processes.get(process.pid)?.status !== "running") continue
    if (within(process.cgroups.get(hierarchy.id) ?? "-", group.path)) kill(m, process.pid, SIG.KILL)
  }
  // the writer may be one of them
  if (m.processes.get(m.pid)?.status !== "running") throw new Gone()
}

const change = (
  m: Machine,
  hierarchy: Hierarchy,
  group: Cgroup,
  name: string,
  written: string,
  opener: OpenFile["opener"]
): void => {
  // a text ends at its first NUL (cgroup_file_write)
  const text = written.split("\0")[0]!
  const word = bareNumbers.test(name) ? text : text.trim()
  switch (name) {
    case "cgroup.procs":
    case "cgroup.threads":
    case "tasks": {
      const moved = join(m, hierarchy, group, text, opener, name === "cgroup.procs")
      // a process that leaves a frozen group gets its pending signals
      if (moved !== undefined && !isFrozen(m, moved)) deliverPending(m, moved.pid)
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
      // ERANGE: a number other than 0 and 1 (cgroup_freeze_write)
      return [0n, 1n].includes(signed(word, 32))
        ? setFreeze(m, hierarchy, group, signed(word, 32) === 1n)
        : refuse("ERANGE")
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
    ...group.number === undefined ? {} : { ino: group.number },
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
  const isUnread = (): boolean => unread(m, hierarchy, group.path).includes(name)
  return {
    id,
    fs,
    parent: directoryOf(hierarchy.id, group.path),
    name,
    mode: group.owners?.get(name)?.mode ?? (writeOnly.has(name) ? 0o200 : readonlyFile.test(name) ? 0o444 : 0o644),
    uid,
    gid,
    type: "f",
    read: () =>
      writeOnly.has(name)
        ? refuse("EINVAL")
        : isUnread()
        ? m.unmodelled(`what is in ${name}`)
        : encode(content(m, hierarchy, now(), name)),
    write: (text, opener) =>
      // an empty write changes nothing, whatever the file is (cgroup_file_write)
      text === ""
        ? undefined
        : readonlyFile.test(name)
        ? refuse("EINVAL")
        : isUnread()
        ? m.unmodelled(`a write to ${name}`)
        : change(m, hierarchy, now(), name, text, opener)
  }
}

/** A hierarchy's name in `/proc/self/cgroup` and in mount options. */
const nameOf = ({ controllers, name, version }: Hierarchy): string =>
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
