/**
 * Begins a model as a copy of the machine that this runs on: its mounts, cgroups, links, limits and files.
 *
 * @category models
 * @since 0.1.0
 */
import * as os from "node:os"
import { infinity } from "../Descriptors.ts"
import { limitTitles } from "../procTexts.ts"
import * as Routes from "../Routes.ts"
import type { Options } from "../Seed.ts"
import type { State } from "../State.ts"
import { apply } from "../transitions.ts"
import { Builder } from "./Builder.ts"
import { finish } from "./finish.ts"
import { hostCaller } from "./hostCaller.ts"
import { hostCgroups } from "./hostCgroups.ts"
import { hostDescriptors, type Inherited } from "./hostDescriptors.ts"
import { hostGroups } from "./hostGroups.ts"
import { hostMountTree, type Making } from "./hostMounts.ts"
import { HostNamespaces, inodeOf } from "./hostNamespaces.ts"
import { hostLinks, hostRoutes } from "./hostNetwork.ts"
import { hostText, hostUser } from "./hostUser.ts"
import { initialNamespaces } from "./objects.ts"
import { usualTypes } from "./usual.ts"

/** What a machine gets besides what is found. */
interface Given extends Pick<Options, "securityModules" | "freezingReads" | "pid"> {
  /** Nanoseconds since the boot. */
  readonly uptime?: bigint
  /** The open descriptors; this process's standard input, output and error if absent. */
  readonly descriptors?: ReadonlyArray<Inherited>
  /**
   * Other processes of the machine that matter, such as those whose namespaces are joined. The model has no further
   * processes.
   */
  readonly neighbours?: ReadonlyArray<number>
  /** Processes of which only matters who they are, and that they can be signalled: their mounts are not read. */
  readonly bystanders?: ReadonlyArray<number>
  /** Directories of cgroups, which need not exist. Those in them and below are bystanders. */
  readonly groups?: ReadonlyArray<string>
}

/**
 * The machine that this runs on, as far as a plan needs it: the caller's ids and capabilities, mounts, cgroups, links.
 * Files are read when the model first needs them, and never written: changes stay in the model.
 */
export const fromHost = (
  { bystanders = [], descriptors = hostDescriptors(3), groups = [], neighbours = [], ...overrides }: Given = {}
): State => {
  const make = new Builder()
  const ns = initialNamespaces(make, os.hostname(), hostUser(), inodeOf("/proc/self/ns/pid"))
  const cpus = os.cpus().length || 1
  const bottomFs = make.fileSystem("ramfs", undefined, ns.user, { source: "rootfs" })
  const bottom = make.mount(bottomFs, ns.mnt)
  make.change(ns.mnt, "mnt", { root: bottom })
  const { hierarchies, memberships } = hostCgroups(make, cpus)
  const making: Making = {
    make,
    ns,
    hierarchies,
    instances: new Map(),
    namespaceOf: (name) => namespaces.mounted(name)
  }
  const namespaces = new HostNamespaces(making, bottom)
  const mountinfo = hostText("/proc/self/mountinfo") ?? "1 0 0:1 / / rw - ext4 none rw"
  const root = hostMountTree(making, { text: mountinfo, mntNs: ns.mnt, bottom })
  const others = new Set([...bystanders, ...hostGroups(making, mountinfo, groups)])
  for (const pid of neighbours) others.delete(pid)
  make.change(ns.cgroup, "cgroup", { roots: new Map([...memberships.keys()].map((id) => [id, "/"])) })
  hostLinks(make, ns.net)
  const state = finish(make, ns, {
    ...hostCaller(),
    lastCapability: Number(hostText("/proc/sys/kernel/cap_last_cap") ?? "40"),
    cpus,
    pid: process.pid > 1 ? process.pid : 2,
    release: os.release(),
    uptime: BigInt(Math.round(os.uptime() * 1e9)),
    fileSystemTypes: hostFileSystemTypes(),
    ...hostLimits(),
    ...overrides,
    neighbours: [
      ...neighbours.flatMap((pid) => namespaces.process(pid, true) ?? []),
      ...[...others].flatMap((pid) => namespaces.process(pid, false) ?? [])
    ],
    descriptors,
    root,
    memberships
  })
  const settled = apply(state, [...state.processes.keys()].at(-1)!, (m) => {
    const links = m.links.values()
    Routes.settle(m, ns.net, hostRoutes((name) => links.find((link) => link.name === name)?.index))
  })
  // parameters have the machine's values until they are written
  return { ...settled, sysctls: new Map(), facts: { ...settled.facts, hostSysctls: true, hostProc: true } }
}

/** The file system types that the kernel lists, and the usual ones, which it loads on demand; overlay only if it is listed. */
const hostFileSystemTypes = (): ReadonlyArray<string> => {
  const listed = (hostText("/proc/filesystems") ?? "").split("\n").flatMap((line) => line.split("\t")[1] || [])
  return [...new Set([...usualTypes.filter((type) => type !== "overlay"), ...listed])]
}

/** The limits of this process. */
const hostLimits = (): Pick<Options, "limits"> => {
  const text = hostText("/proc/self/limits")
  if (text === undefined) return {}
  const rows = [...text.matchAll(/^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)/gm)]
  const limits = rows.flatMap(([, title, ...values]) => {
    const resource = limitTitles.find(([name]) => name === title)?.[1]
    const [soft, hard] = values.map((value) => value === "unlimited" ? infinity : BigInt(value))
    return resource === undefined ? [] : [[resource, { soft: soft!, hard: hard! }]]
  })
  return { limits: Object.fromEntries(limits) }
}
