/** Rules of kernel parameters, cgroup, personality, memory policy and the parent-death signal. */
import { MPOL, MPOL_F, PER } from "../../native/constants.ts"
import { hasNamespace, type NamespaceType } from "../Container.ts"
import { parseNumberList } from "../numberList.ts"
import * as signals from "../signals.ts"
import { each, found, isWithin, needs, type Rule, when } from "./Rule.ts"

/** Kernel parameters that belong to the IPC namespace, apart from `fs.mqueue.*`. @see ipc_namespaces(7) */
const ipcParameters: ReadonlySet<string> = new Set([
  "kernel.msgmax",
  "kernel.msgmnb",
  "kernel.msgmni",
  "kernel.sem",
  "kernel.shmall",
  "kernel.shmmax",
  "kernel.shmmni",
  "kernel.shm_rmid_forced"
])

/** The namespace that keeps a kernel parameter apart from the host's; `undefined` if none does. */
export const namespaceOf = (key: string): NamespaceType | undefined =>
  ipcParameters.has(key) || key.startsWith("fs.mqueue.") ?
    "ipc"
    : key.startsWith("net.") ?
    "net"
    : key === "kernel.domainname" ?
    "uts"
    : key.startsWith("user.") ?
    "user"
    : undefined

/** Kernel parameters belong to a namespace that the container makes or joins. */
export const sysctl: Rule = {
  reads: ["namespaces", "sysctl"],
  check: (container) =>
    Object.entries(container.sysctl).flatMap(([key, value]) => {
      const at = (rule: string) => [found("sysctl", [key], value, rule)]
      const dotted = dots(key)
      if (/(^|\.)(\.|$)|\0/.test(dotted)) return at("must be named with dots, as net.ipv4.ip_forward is")
      if (dotted === "kernel.hostname") return at("can't be set here: give a hostname")
      const type = namespaceOf(dotted)
      if (type === undefined) return at("is not kept apart by a namespace: setting it would change the host")
      return hasNamespace(container, type) ? [] : at(needs(type))
    })
}

/** The form with dots. As in sysctl(8), the separator that comes first is the separator, and the other one is literal. */
export const dots = (key: string): string => {
  const separator = /[./]/.exec(key)?.[0]
  return separator === "/" ? key.replace(/[./]/g, (char) => char === "/" ? "." : "/") : key
}

/** The path of the cgroup stays below the hierarchy's root. */
export const cgroupPath: Rule = {
  reads: ["cgroup.path"],
  check: ({ cgroup }) => {
    const path = cgroup?.path
    return when(
      path !== undefined && (path.split("/").includes("..") || path.includes("\0")),
      () => found("cgroup.path", [], path, "must not contain `..` or a NUL character")
    )
  }
}

/** The limits of the cgroup are in range. */
export const cgroup: Rule = {
  reads: ["cgroup"],
  check: ({ cgroup }) => {
    if (cgroup === undefined) return []
    const at = (path: ReadonlyArray<string | number>, value: unknown, rule: string) =>
      found("cgroup", path, value, rule)
    const { cpu, memory } = cgroup
    return [
      ...each(cgroup.devices, (rule, index) => [
        ...when(
          !/^[rwm]+$/.test(rule.access),
          () => at(["devices", index, "access"], rule.access, "must be some of `rwm`")
        ),
        ...when(
          rule.major !== null && !isWithin(rule.major, 0, 2 ** 32 - 1),
          () => at(["devices", index, "major"], rule.major, "must not be negative, and a whole number")
        ),
        ...when(
          rule.minor !== null && !isWithin(rule.minor, 0, 2 ** 32 - 1),
          () => at(["devices", index, "minor"], rule.minor, "must not be negative, and a whole number")
        )
      ]),
      ...when(
        memory?.swappiness !== undefined && (memory.swappiness < 0n || memory.swappiness > 100n),
        () => at(["memory", "swappiness"], memory?.swappiness, "must be from 0 to 100")
      ),
      ...(["limit", "reservation", "swap", "kernel", "kernelTcp"] as const).flatMap((field) =>
        when(
          (memory?.[field] ?? 0n) < -1n,
          () => at(["memory", field], memory?.[field], "must be a size in bytes, or -1 for no limit")
        )
      ),
      ...when(
        memory?.limit !== undefined && memory.swap !== undefined && memory.swap > 0n && memory.limit > memory.swap,
        () => at(["memory", "swap"], memory?.swap, "is memory and swap together: must not be below the memory limit")
      ),
      ...when(
        cpu?.burst !== undefined && cpu.quota !== undefined && cpu.quota > 0n && cpu.burst > cpu.quota,
        () => at(["cpu", "burst"], cpu?.burst, "must not be above the quota")
      ),
      ...when(
        cpu?.idle !== undefined && cpu.idle !== 0n && cpu.idle !== 1n,
        () => at(["cpu", "idle"], cpu?.idle, "must be 0 or 1")
      ),
      ...(["cpus", "mems"] as const).flatMap((field) =>
        when(
          cpu?.[field] !== undefined && parseNumberList(cpu[field]) === undefined,
          () => at(["cpu", field], cpu?.[field], "must be a list of numbers and ranges: 0-3,7")
        )
      ),
      ...Object.keys(cgroup.unified ?? {}).flatMap((file) =>
        when(
          !/^[a-z0-9_]+\.[\w.]+$/i.test(file),
          () => at(["unified", file], cgroup.unified?.[file], "must be a file of a cgroup, as memory.high is")
        )
      ),
      ...each(
        cgroup.hugepageLimits ?? [],
        ({ pageSize }, index) =>
          when(
            !/^[1-9]\d*[KMGTP]B$/.test(pageSize),
            () => at(["hugepageLimits", index, "pageSize"], pageSize, "must be a size as 64KB, 2MB or 1GB")
          )
      )
    ]
  }
}

/** The personality is one of the two that OCI names. */
export const personality: Rule = {
  reads: ["personality"],
  check: ({ personality }) =>
    when(
      personality !== undefined && personality !== PER.LINUX && personality !== PER.LINUX32,
      () => found("personality", [], personality, "must be LINUX or LINUX32")
    )
}

/** Mode, nodes and flags of the memory policy fit together. */
export const memoryPolicy: Rule = {
  reads: ["memoryPolicy"],
  check: ({ memoryPolicy }) => {
    if (memoryPolicy === undefined) return []
    const { mode, nodes } = memoryPolicy
    const at = (path: string, value: unknown, rule: string) => [found("memoryPolicy", [path], value, rule)]
    const base = mode & ~(MPOL_F.STATIC_NODES | MPOL_F.RELATIVE_NODES | MPOL_F.NUMA_BALANCING)
    const takesNone = base === MPOL.DEFAULT || base === MPOL.LOCAL
    if (takesNone && nodes.length > 0) return at("nodes", nodes, "must be empty for MPOL_DEFAULT and MPOL_LOCAL")
    if (!takesNone && base !== MPOL.PREFERRED && nodes.length === 0) return at("nodes", nodes, "must name a node")
    return (mode & MPOL_F.STATIC_NODES) !== 0 && (mode & MPOL_F.RELATIVE_NODES) !== 0
      ? at("flags", mode, "MPOL_F_STATIC_NODES and MPOL_F_RELATIVE_NODES exclude each other")
      : []
  }
}

/** The parent-death signal is a signal. */
export const parentDeathSignal: Rule = {
  reads: ["parentDeathSignal"],
  check: ({ parentDeathSignal: signal }) =>
    when(
      signal !== undefined && !isWithin(signal, 1, signals.last),
      () => found("parentDeathSignal", [], signal, `must be a signal from 1 to ${signals.last}`)
    )
}
