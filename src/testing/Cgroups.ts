/**
 * Control groups, versions 1 and 2, as file trees. @see cgroups(7), the kernel's admin-guide/cgroup-v1 and cgroup-v2.rst
 */
import { SIG } from "../native/constants.ts"
import { processByNumber } from "./Credentials.ts"
import { encode, type Machine, refuse } from "./Machine.ts"
import type { View } from "./Nodes.ts"
import * as Signals from "./Signals.ts"
import type { Cgroup, Hierarchy, NodeId, Process } from "./State.ts"

/** The key of a group in the state's table. */
export const keyOf = (hierarchy: number, path: string): string => `${hierarchy}:${path}`

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

/** The path of a group by its node, for mountinfo. */
export const pathOfGroup = (id: string): string => parse(id).path

const parentPath = (path: string): string => path.slice(0, path.lastIndexOf("/")) || "/"
const childPath = (path: string, name: string): string => path === "/" ? `/${name}` : `${path}/${name}`

const membersOf = (m: Machine, hierarchy: number, path: string): ReadonlyArray<Process> =>
  m.processes.values().filter((process) => process.cgroups.get(hierarchy) === path && process.status === "running")

const within = (path: string, ancestor: string): boolean =>
  ancestor === "/" || path === ancestor || path.startsWith(`${ancestor}/`)

const groupsBelow = (m: Machine, hierarchy: number, path: string): ReadonlyArray<Cgroup> =>
  m.cgroups.values().filter((group) => group.hierarchy === hierarchy && group.path !== path && within(group.path, path))

const children = (m: Machine, hierarchy: number, path: string): ReadonlyArray<Cgroup> =>
  groupsBelow(m, hierarchy, path).filter((group) => parentPath(group.path) === path)

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

/** Files of version 1 by controller, with what they hold in a new group. Read-only ones are marked. */
const files1: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cpu: {
    "cpu.shares": "1024",
    "cpu.cfs_period_us": "100000",
    "cpu.cfs_quota_us": "-1",
    "cpu.cfs_burst_us": "0",
    "cpu.rt_period_us": "1000000",
    "cpu.rt_runtime_us": "0",
    "cpu.idle": "0",
    "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0"
  },
  cpuacct: {
    "cpuacct.usage": "0",
    "cpuacct.usage_percpu": "0 0",
    "cpuacct.stat": "user 0\nsystem 0"
  },
  cpuset: {
    "cpuset.cpus": "",
    "cpuset.mems": "",
    "cpuset.effective_cpus": "",
    "cpuset.effective_mems": "",
    "cpuset.cpu_exclusive": "0",
    "cpuset.mem_exclusive": "0",
    "cpuset.sched_load_balance": "1"
  },
  memory: {
    "memory.limit_in_bytes": "9223372036854771712",
    "memory.soft_limit_in_bytes": "9223372036854771712",
    "memory.memsw.limit_in_bytes": "9223372036854771712",
    "memory.kmem.limit_in_bytes": "9223372036854771712",
    "memory.kmem.tcp.limit_in_bytes": "9223372036854771712",
    "memory.swappiness": "60",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
    "memory.use_hierarchy": "1",
    "memory.usage_in_bytes": "0",
    "memory.max_usage_in_bytes": "0",
    "memory.memsw.usage_in_bytes": "0",
    "memory.failcnt": "0",
    "memory.force_empty": "",
    "memory.stat": "cache 0\nrss 0"
  },
  devices: { "devices.list": "a *:* rwm", "devices.allow": "", "devices.deny": "" },
  freezer: { "freezer.state": "THAWED", "freezer.self_freezing": "0", "freezer.parent_freezing": "0" },
  blkio: {
    "blkio.bfq.weight": "100",
    "blkio.throttle.read_bps_device": "",
    "blkio.throttle.write_bps_device": "",
    "blkio.throttle.read_iops_device": "",
    "blkio.throttle.write_iops_device": "",
    "blkio.throttle.io_service_bytes": "Total 0",
    "blkio.throttle.io_serviced": "Total 0"
  },
  pids: { "pids.max": "max", "pids.current": "0" },
  hugetlb: { "hugetlb.2MB.limit_in_bytes": "9223372036854771712", "hugetlb.2MB.usage_in_bytes": "0" },
  net_cls: { "net_cls.classid": "0" },
  net_prio: { "net_prio.ifpriomap": "lo 0" }
}

const files2: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cpu: { "cpu.max": "max 100000", "cpu.max.burst": "0", "cpu.weight": "100", "cpu.idle": "0" },
  cpuset: {
    "cpuset.cpus": "",
    "cpuset.mems": "",
    "cpuset.cpus.effective": "0-1",
    "cpuset.mems.effective": "0"
  },
  io: { "io.max": "", "io.weight": "default 100", "io.bfq.weight": "default 100", "io.stat": "" },
  memory: {
    "memory.max": "max",
    "memory.high": "max",
    "memory.low": "0",
    "memory.min": "0",
    "memory.swap.max": "max",
    "memory.current": "0",
    "memory.oom.group": "0",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0",
    "memory.stat": "anon 0\nfile 0"
  },
  pids: { "pids.max": "max", "pids.current": "0" },
  hugetlb: { "hugetlb.2MB.max": "max", "hugetlb.2MB.current": "0" },
  rdma: { "rdma.max": "", "rdma.current": "" },
  misc: { "misc.max": "", "misc.current": "" }
}

const readonlyFile =
  /\.(?:stat|list|current|usage|usage_in_bytes|usage_percpu|events|effective|effective_cpus|effective_mems|io_service_bytes|io_serviced|controllers)$/
const writeOnly = new Set(["devices.allow", "devices.deny", "cgroup.kill", "memory.force_empty"])

/** The controllers whose files a group has: version 2 needs them switched on by the parent. */
const controllersOf = (m: Machine, hierarchy: Hierarchy, path: string): ReadonlyArray<string> =>
  hierarchy.version === 1 || path === "/"
    ? hierarchy.controllers
    : m.cgroups.get(keyOf(hierarchy.id, parentPath(path)))?.controllersOn ?? []

const core1 = ["cgroup.procs", "tasks", "notify_on_release", "cgroup.clone_children"]
const core2 = ["cgroup.procs", "cgroup.threads", "cgroup.controllers", "cgroup.subtree_control", "cgroup.stat"]
const below2 = ["cgroup.events", "cgroup.type", "cgroup.freeze", "cgroup.kill", "cpu.stat"]

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

const initial = (hierarchy: Hierarchy, name: string): string => {
  const table = hierarchy.version === 1 ? files1 : files2
  return hierarchy.controllers.map((controller) => table[controller]?.[name]).find((value) => value !== undefined) ??
    "0"
}

/** How many processes of a group and of those below it live. */
const population = (m: Machine, hierarchy: number, path: string): number =>
  m.processes.values().filter((process) =>
    process.status === "running" && within(process.cgroups.get(hierarchy) ?? "-", path)
  ).length

const content = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string): string => {
  const { path } = group
  switch (name) {
    case "cgroup.procs":
    case "cgroup.threads":
    case "tasks":
      return membersOf(m, hierarchy.id, path).map(({ numbers }) => numbers.get(m.self.ns.pid) ?? 0)
        .toSorted((a, b) => a - b).map((number) => `${number}\n`).join("")
    case "cgroup.controllers":
      return `${controllersOf(m, hierarchy, path).join(" ")}\n`
    case "cgroup.subtree_control":
      return `${group.controllersOn.join(" ")}\n`
    case "cgroup.events":
      return `populated ${population(m, hierarchy.id, path) > 0 ? 1 : 0}\nfrozen ${
        frozen(m, hierarchy.id, path) ? 1 : 0
      }\n`
    case "cgroup.freeze":
      return `${group.freeze ? 1 : 0}\n`
    case "cgroup.type":
      return "domain\n"
    case "freezer.state":
      if (!frozen(m, hierarchy.id, path)) return "THAWED\n"
      if (group.freezingReads > 0) {
        m.cgroups.set(keyOf(hierarchy.id, path), { ...group, freezingReads: group.freezingReads - 1 })
        return "FREEZING\n"
      }
      return "FROZEN\n"
    case "pids.current":
      return `${population(m, hierarchy.id, path)}\n`
    case "cpuset.effective_cpus":
      return `${group.values.get("cpuset.cpus") ?? ""}\n`
    case "cpuset.effective_mems":
      return `${group.values.get("cpuset.mems") ?? ""}\n`
    default: {
      const value = group.values.get(name) ?? initial(hierarchy, name)
      // an empty list of devices has no line, an empty cpuset has an empty one
      return value === "" && name === "devices.list" ? "" : `${value}\n`
    }
  }
}

const join = (m: Machine, hierarchy: Hierarchy, group: Cgroup, text: string): void => {
  const word = text.trim()
  if (!/^\d+$/.test(word)) refuse("EINVAL")
  const process = word === "0" ? m.self : processByNumber(m, Number(word)) ?? refuse("ESRCH")
  if (process.status === "zombie") refuse("ESRCH")
  // ENOSPC: a cpuset without cpus or mems takes no process (cpuset(7))
  if (
    hierarchy.version === 1 && hierarchy.controllers.includes("cpuset") && group.path !== "/" &&
    ["cpuset.cpus", "cpuset.mems"].some((name) => (group.values.get(name) ?? "") === "")
  ) refuse("ENOSPC")
  // EBUSY: no processes beside controllers for children (cgroup-v2.rst, "No Internal Process Constraint")
  if (hierarchy.version === 2 && group.path !== "/" && group.controllersOn.length > 0) refuse("EBUSY")
  // EACCES: without rights on the common ancestor's cgroup.procs (cgroup-v2.rst, "Delegation Containment")
  const { creds } = m.self
  if (
    hierarchy.version === 1 && creds.euid !== 0 && creds.euid !== process.creds.uid && creds.euid !== process.creds.suid
  ) {
    refuse("EACCES")
  }
  const pidsMax = group.values.get("pids.max")
  void pidsMax // pids.max limits fork(2), not joining (cgroup-v1/pids.rst)
  m.processes.update(process.pid, (old) => ({ ...old, cgroups: new Map(old.cgroups).set(hierarchy.id, group.path) }))
}

const subtreeControl = (m: Machine, hierarchy: Hierarchy, group: Cgroup, text: string): void => {
  const key = keyOf(hierarchy.id, group.path)
  const on = new Set(group.controllersOn)
  for (const word of text.trim().split(/\s+/).filter((part) => part !== "")) {
    const name = word.slice(1)
    // EINVAL: no kernel has such a controller; ENOENT: it is not available here
    if (!Object.hasOwn(files2, name)) refuse("EINVAL")
    if (word[0] === "+") {
      if (!controllersOf(m, hierarchy, group.path).includes(name)) refuse("ENOENT")
      on.add(name)
    } else if (word[0] === "-") {
      if (children(m, hierarchy.id, group.path).some((child) => child.controllersOn.includes(name))) refuse("EBUSY")
      on.delete(name)
    } else refuse("EINVAL")
  }
  if (on.size > 0 && group.path !== "/" && membersOf(m, hierarchy.id, group.path).length > 0) refuse("EBUSY")
  m.cgroups.set(key, { ...group, controllersOn: [...on] })
}

const setFreeze = (m: Machine, hierarchy: Hierarchy, group: Cgroup, freeze: boolean): void => {
  m.cgroups.set(keyOf(hierarchy.id, group.path), {
    ...group,
    freeze,
    freezingReads: freeze ? m.facts.freezingReads : 0
  })
  // signals that waited for the thaw are delivered now
  if (!freeze) {
    for (const process of m.processes.values()) {
      if (within(process.cgroups.get(hierarchy.id) ?? "-", group.path)) Signals.deliverPending(m, process.pid)
    }
  }
}

const size = (text: string): bigint => {
  const found = /^(-?\d+)([kmg]?)$/i.exec(text.trim())
  if (found === null) return refuse("EINVAL")
  return BigInt(found[1]!) << ({ "": 0n, k: 10n, m: 20n, g: 30n }[found[2]!.toLowerCase()] ?? 0n)
}

const change = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string, text: string): void => {
  const word = text.trim()
  const store = (value: string): void =>
    m.cgroups.set(keyOf(hierarchy.id, group.path), { ...group, values: new Map(group.values).set(name, value) })
  switch (name) {
    case "cgroup.procs":
    case "tasks":
      return join(m, hierarchy, group, text)
    case "cgroup.subtree_control":
      return subtreeControl(m, hierarchy, group, text)
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
      if (!/^-?\d+$/.test(word)) refuse("EINVAL")
      if (word !== "1") refuse("ERANGE")
      for (const process of m.processes.values()) {
        if (process.status === "running" && within(process.cgroups.get(hierarchy.id) ?? "-", group.path)) {
          Signals.kill(m, process.pid, SIG.KILL)
        }
      }
      return
    case "devices.allow":
    case "devices.deny":
      return changeDevices(m, hierarchy, group, name === "devices.allow", word)
    case "memory.limit_in_bytes":
    case "memory.memsw.limit_in_bytes":
    case "memory.soft_limit_in_bytes": {
      const value = word === "-1" ? 9223372036854771712n : size(word)
      const other = name === "memory.limit_in_bytes" ? "memory.memsw.limit_in_bytes" : "memory.limit_in_bytes"
      const limit = BigInt(group.values.get(other) ?? "9223372036854771712")
      // EINVAL: memory alone never above memory and swap together (cgroup-v1/memory.rst, 5.?)
      if (name === "memory.limit_in_bytes" && value > limit) refuse("EINVAL")
      if (name === "memory.memsw.limit_in_bytes" && value < limit) refuse("EINVAL")
      return store(String(value - value % 4096n))
    }
    case "pids.max":
      return word === "max" || /^\d+$/.test(word) ? store(word) : refuse("EINVAL")
    case "cpu.shares":
      return /^\d+$/.test(word)
        ? store(String(Math.min(262144, Math.max(2, Number(word)))))
        : refuse("EINVAL")
    case "cpu.cfs_quota_us":
    case "cpu.cfs_period_us":
      // EINVAL: below 1 ms (cfs quota), except -1 for the quota
      return !/^-?\d+$/.test(word) || Number(word) < 1000 && !(name === "cpu.cfs_quota_us" && Number(word) < 0)
        ? refuse("EINVAL")
        : store(word)
    case "cpuset.cpus":
    case "cpuset.mems":
      return cpuset(m, hierarchy, group, name, word, store)
    case "cgroup.type":
      return word === "threaded" ? m.unmodelled("threaded cgroups") : refuse("EINVAL")
    default:
      return store(word)
  }
}

const listed = (text: string): ReadonlyArray<number> =>
  text.split(",").filter((part) => part !== "").flatMap((part) => {
    const [from, to] = part.split("-").map(Number)
    if (!/^\d+(?:-\d+)?$/.test(part)) return refuse("EINVAL")
    return Array.from({ length: (to ?? from!) - from! + 1 }, (_, index) => from! + index)
  })

const cpuset = (
  m: Machine,
  hierarchy: Hierarchy,
  group: Cgroup,
  name: string,
  word: string,
  store: (value: string) => void
): void => {
  const wanted = listed(word)
  const above = m.cgroups.get(keyOf(hierarchy.id, parentPath(group.path)))?.values.get(name)
  // ERANGE: no such cpu; EACCES: version 1 wants a subset of the parent's (cpuset(7))
  if (name === "cpuset.cpus" && wanted.some((cpu) => cpu >= m.facts.cpus)) refuse("ERANGE")
  if (hierarchy.version === 1 && above !== undefined) {
    const allowed = listed(above)
    if (wanted.some((item) => !allowed.includes(item))) refuse("EACCES")
  }
  // ENOSPC: not emptied under members
  if (wanted.length === 0 && hierarchy.version === 1 && membersOf(m, hierarchy.id, group.path).length > 0) {
    refuse("ENOSPC")
  }
  store(word)
}

/** The processors that a process's cpusets let it have. */
export const allowedCpus = (m: Machine, process: Process): ReadonlyArray<number> => {
  const all = Array.from({ length: m.facts.cpus }, (_, cpu) => cpu)
  for (const [hierarchy, path] of process.cgroups) {
    if (path === "/" || !m.hierarchies.need(hierarchy).controllers.includes("cpuset")) continue
    const own = m.cgroups.get(keyOf(hierarchy, path))?.values.get("cpuset.cpus")
    if (own !== undefined && own !== "") return listed(own)
  }
  return all
}

/** Whether the group has time for real-time processes; the kernel of version 1's `cpu.rt_runtime_us` gives a new one none. */
export const hasRealTime = (m: Machine, process: Process): boolean => {
  for (const [hierarchy, path] of process.cgroups) {
    const { controllers, version } = m.hierarchies.need(hierarchy)
    if (version === 2 || path === "/" || !controllers.includes("cpu")) continue
    if ((m.cgroups.get(keyOf(hierarchy, path))?.values.get("cpu.rt_runtime_us") ?? "0") === "0") return false
  }
  return true
}

// ── devices ──────────────────────────────────────────────────────────────────────────────────────────────────────────

const rule = /^(a|[bc])(?:\s+(\*|\d+):(\*|\d+)(?:\s+([rwm]+))?)?$/

const changeDevices = (m: Machine, hierarchy: Hierarchy, group: Cgroup, allow: boolean, text: string): void => {
  const found = rule.exec(text)
  if (found === null || (found[1] !== "a" && found[4] === undefined)) return refuse("EINVAL")
  const lines = (group.values.get("devices.list") ?? "a *:* rwm").split("\n").filter((line) => line !== "")
  const entry = found[1] === "a" ? "a *:* rwm" : `${found[1]} ${found[2]}:${found[3]} ${found[4]}`
  const next = found[1] === "a"
    ? allow ? ["a *:* rwm"] : []
    : allow
    ? [...new Set([...lines, entry])]
    : lines.filter((line) => line !== entry)
  m.cgroups.set(keyOf(hierarchy.id, group.path), {
    ...group,
    values: new Map(group.values).set("devices.list", next.join("\n"))
  })
}

/** Whether the device controller lets the caller have a device. Version 2 programs are stored, not run. */
export const deviceAllowed = (
  m: Machine,
  type: "c" | "b",
  device: { readonly major: number; readonly minor: number },
  access: string
): boolean => {
  for (const [hierarchy, path] of m.self.cgroups) {
    if (!m.hierarchies.need(hierarchy).controllers.includes("devices")) continue
    const list = m.cgroups.get(keyOf(hierarchy, path))?.values.get("devices.list")
    if (list === undefined) continue
    const allowed = list.split("\n").some((line) => {
      const [kind, numbers, letters] = line.split(" ") as [string, string | undefined, string | undefined]
      const [major, minor] = (numbers ?? "").split(":")
      return (kind === "a" || kind === type) && (major === "*" || Number(major) === device.major) &&
        (minor === "*" || Number(minor) === device.minor) && [...access].every((letter) => letters?.includes(letter))
    })
    if (!allowed) return false
  }
  return true
}

// ── directories ──────────────────────────────────────────────────────────────────────────────────────────────────────

export const makeGroup = (m: Machine, parent: string, name: string, mode: number): void => {
  const { hierarchy, path } = parse(parent)
  if (name.includes("\n")) refuse("EINVAL")
  const { egid, euid } = m.self.creds
  const full = childPath(path, name)
  m.cgroups.set(keyOf(hierarchy, full), {
    hierarchy,
    path: full,
    uid: euid,
    gid: egid,
    mode,
    values: new Map(
      // the devices of a new group are its parent's (cgroup-v1/devices.rst)
      [...m.cgroups.need(keyOf(hierarchy, path)).values].filter(([file]) => file === "devices.list")
    ),
    freeze: false,
    freezingReads: 0,
    controllersOn: [],
    programs: []
  })
}

/** EBUSY: processes, also dead ones that were not waited for in version 1, or groups below (rmdir of a cgroup). */
export const removeGroup = (m: Machine, id: string): void => {
  const { hierarchy, path } = parse(id)
  if (path === "/") refuse("EBUSY")
  if (membersOf(m, hierarchy, path).length > 0 || groupsBelow(m, hierarchy, path).length > 0) refuse("EBUSY")
  m.cgroups.delete(keyOf(hierarchy, path))
}

export const changeGroup = (
  m: Machine,
  id: string,
  fields: { readonly uid?: number; readonly gid?: number; readonly mode?: number }
): void => {
  const { hierarchy, path } = parse(id)
  m.cgroups.update(keyOf(hierarchy, path), (group) => ({ ...group, ...fields }))
}

/** Owners of single files are accepted where they are cgroup files; the model keeps owners by directory. */
export const changeFileOwner = (m: Machine, id: NodeId): void =>
  typeof id === "string" && id.startsWith("cg:") ? m.unmodelled("owners of single cgroup files") : refuse("EPERM")

/** Attaches a device program to a group (bpf(2)). */
export const attachProgram = (m: Machine, id: NodeId, instructions: Uint8Array): void => {
  if (!isGroup(id)) return refuse("EBADF")
  const { hierarchy, path } = parse(id)
  if (m.hierarchies.need(hierarchy).version !== 2) refuse("EBADF")
  m.cgroups.update(keyOf(hierarchy, path), (group) => ({ ...group, programs: [...group.programs, instructions] }))
}

/** The node with an id of the form `cg:<hierarchy>:<file>:<path>`. */
export const cgroupNode = (m: Machine, id: string): View | undefined => {
  const { file, hierarchy: number, path } = parse(id)
  const group = m.cgroups.get(keyOf(number, path))
  const hierarchy = m.hierarchies.get(number)
  if (group === undefined || hierarchy === undefined) return undefined
  const base = {
    id,
    fs: m.fileSystems.find(({ shows, type }) => shows === number && type.startsWith("cgroup"))?.id ?? 0,
    uid: group.uid,
    gid: group.gid
  }
  if (file !== "") {
    if (!filesOf(m, hierarchy, path).includes(file)) return undefined
    return {
      ...base,
      parent: directoryOf(number, path),
      name: file,
      type: "f",
      mode: writeOnly.has(file) ? 0o200 : readonlyFile.test(file) ? 0o444 : 0o644,
      read: () =>
        writeOnly.has(file)
          ? refuse("EINVAL")
          : encode(content(m, hierarchy, m.cgroups.need(keyOf(number, path)), file)),
      write: (text) =>
        readonlyFile.test(file)
          ? refuse("EINVAL")
          : change(m, hierarchy, m.cgroups.need(keyOf(number, path)), file, text)
    }
  }
  return {
    ...base,
    parent: path === "/" ? id : directoryOf(number, parentPath(path)),
    name: path.slice(path.lastIndexOf("/") + 1),
    type: "d",
    mode: group.mode,
    list: () => [
      ...filesOf(m, hierarchy, path),
      ...children(m, number, path).map((child) => child.path.slice(child.path.lastIndexOf("/") + 1))
    ],
    lookup: (name) => {
      if (filesOf(m, hierarchy, path).includes(name)) return `cg:${number}:${name}:${path}`
      return m.cgroups.has(keyOf(number, childPath(path, name)))
        ? directoryOf(number, childPath(path, name))
        : undefined
    }
  }
}

/** A hierarchy's name in `/proc/self/cgroup` and in mount options. */
export const nameOf = ({ controllers, name, version }: Hierarchy): string =>
  version === 2 ? "" : name === undefined ? controllers.join(",") : `name=${name}`

/** `/proc/<pid>/cgroup`: paths are relative to the root of the reader's cgroup namespace (cgroup_namespaces(7)). */
export const describeMembership = (m: Machine, process: Process): string => {
  const { roots } = m.namespace("cgroup", m.self.ns.cgroup)
  return m.hierarchies.values().toSorted((a, b) => b.id - a.id).map((hierarchy) => {
    const path = process.cgroups.get(hierarchy.id) ?? "/"
    const root = roots.get(hierarchy.id) ?? "/"
    return `${hierarchy.version === 2 ? 0 : hierarchy.id}:${nameOf(hierarchy)}:${relative(path, root)}\n`
  }).join("")
}

const relative = (path: string, root: string): string => {
  if (root === "/") return path
  if (within(path, root)) return path.slice(root.length) || "/"
  const steps = root.split("/").filter((part) => part !== "").map(() => "..")
  return `/${[...steps, ...path.split("/").filter((part) => part !== "")].join("/")}`
}
