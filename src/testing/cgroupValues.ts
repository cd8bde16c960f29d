/** What the controllers take as values of their files, but for devices and cpusets. @see admin-guide/cgroup-v1, cgroup-v2.rst */
import { SCHED } from "../native/constants.ts"
import { initialValue } from "./cgroupFiles.ts"
import { children, keyOf, membersOf, parentPath } from "./cgroupTree.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { Cgroup, Hierarchy } from "./State.ts"

/** A value of a group, as it was written or as a new one has it. */
const valueOf = (hierarchy: Hierarchy, group: Cgroup | undefined, name: string): string =>
  group?.values.get(name) ?? initialValue(hierarchy.version, hierarchy.controllers, name)

/** An unsigned number as `kstrtoull` with base 0 reads it. EINVAL. */
const unsigned = (text: string): bigint => {
  const found = /^\+?(0x[0-9a-f]+|\d+)$/i.exec(text)
  if (found === null) return refuse("EINVAL")
  const octal = /^0[0-7]+$/.test(found[1]!)
  if (!octal && /^0\d/.test(found[1]!)) return refuse("EINVAL")
  const value = BigInt(octal ? `0o${found[1]!.slice(1)}` : found[1]!)
  return value >= 1n << 64n ? refuse("ERANGE") : value
}

/** A signed number. */
const signed = (text: string): bigint => {
  const value = text.startsWith("-") ? -unsigned(text.slice(1)) : unsigned(text)
  return value < -(1n << 63n) || value >= 1n << 63n ? refuse("ERANGE") : value
}

const between = (value: bigint, low: bigint, high: bigint): boolean => value >= low && value <= high

// ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const page = 4096n
/** `PAGE_COUNTER_MAX`, in bytes. */
const unlimitedMemory = 9223372036854771712n

/** An amount of memory, in whole pages; `unlimited` is the word for all there is (`page_counter_memparse`). */
const amount = (m: Machine, text: string, unlimited: string): bigint => {
  if (text === unlimited) return unlimitedMemory
  const found = /^(\d+)([kmgtpe]?)$/i.exec(text)
  if (found === null) return refuse("EINVAL")
  const bytes = BigInt(found[1]!) << 10n * BigInt(" kmgtpe".indexOf(found[2]!.toLowerCase() || " "))
  if (bytes >= 1n << 64n) return m.unmodelled("an amount of memory beyond 64 bits")
  return bytes > unlimitedMemory ? unlimitedMemory : bytes - bytes % page
}

const limitMemory1 = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string, text: string): string => {
  // EINVAL: the root has no limit
  if (group.path === "/") refuse("EINVAL")
  const value = amount(m, text, "-1")
  const isMemory = name === "memory.limit_in_bytes"
  const other = isMemory ? "memory.memsw.limit_in_bytes" : "memory.limit_in_bytes"
  const limit = BigInt(valueOf(hierarchy, group, other))
  // EINVAL: memory alone is never above memory and swap together (mem_cgroup_resize_max)
  if (isMemory ? value > limit : value < limit) refuse("EINVAL")
  // EBUSY: more is in use, which can't be given back
  if (value === 0n && membersOf(m, hierarchy.id, group.path).length > 0) m.unmodelled("how much memory is in use")
  return String(value)
}

// ── processors ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** `max_cfs_runtime`, in microseconds. */
const longestQuota = (1n << 44n) - 1n

interface Bandwidth {
  /** Microseconds; `undefined` for all. */
  readonly quota: bigint | undefined
  readonly period: bigint
  readonly burst: bigint
}

/** Parts of a processor times 2^20, as the kernel compares them; `undefined` for all. */
const ratio = ({ period, quota }: Bandwidth): bigint | undefined =>
  quota === undefined ? undefined : (quota << 20n) / period

const bandwidthOf = (hierarchy: Hierarchy, group: Cgroup): Bandwidth => {
  if (hierarchy.version === 2) {
    const [quota, period] = valueOf(hierarchy, group, "cpu.max").split(" ") as [string, string]
    const burst = BigInt(valueOf(hierarchy, group, "cpu.max.burst"))
    return { quota: quota === "max" ? undefined : BigInt(quota), period: BigInt(period), burst }
  }
  const quota = BigInt(valueOf(hierarchy, group, "cpu.cfs_quota_us"))
  return {
    quota: quota < 0n ? undefined : quota,
    period: BigInt(valueOf(hierarchy, group, "cpu.cfs_period_us")),
    burst: BigInt(valueOf(hierarchy, group, "cpu.cfs_burst_us"))
  }
}

/** Whether no group below has more than those above it; version 1 only (`tg_cfs_schedulable_down`). */
const isSchedulable = (m: Machine, hierarchy: Hierarchy, group: Cgroup, next: Bandwidth): boolean => {
  const above = (path: string): bigint | undefined => {
    for (let here = path; here !== "/"; here = parentPath(here)) {
      const found = ratio(bandwidthOf(hierarchy, m.cgroups.need(keyOf(hierarchy.id, here))))
      if (found !== undefined) return found
    }
    return undefined
  }
  const fits = (path: string, wanted: bigint | undefined, limit: bigint | undefined): boolean => {
    if (wanted !== undefined && limit !== undefined && wanted > limit) return false
    return children(m, hierarchy.id, path).every((child) =>
      fits(child.path, ratio(bandwidthOf(hierarchy, child)), wanted ?? limit)
    )
  }
  return fits(group.path, ratio(next), above(parentPath(group.path)))
}

/** The rules for a share of the processors (`tg_set_cfs_bandwidth`): EINVAL. */
const checkBandwidth = (m: Machine, hierarchy: Hierarchy, group: Cgroup, next: Bandwidth): void => {
  const { burst, period, quota } = next
  // the root has all; periods are 1 ms to 1 s; a quota is at least 1 ms; a burst is at most the quota
  if (group.path === "/") refuse("EINVAL")
  if (!between(period, 1000n, 1_000_000n)) refuse("EINVAL")
  if (quota !== undefined) {
    if (quota < 1000n || quota > longestQuota) refuse("EINVAL")
    if (burst > quota || burst + quota > longestQuota) refuse("EINVAL")
  }
  if (hierarchy.version === 1 && !isSchedulable(m, hierarchy, group, next)) refuse("EINVAL")
}

/** `cpu.max`: a quota and perhaps a period; what follows is not read (`cpu_period_quota_parse`). */
const cpuMax = (m: Machine, hierarchy: Hierarchy, group: Cgroup, text: string): string => {
  const found = /^(\S{1,20})(?:\s+(\d+))?/.exec(text)
  const old = bandwidthOf(hierarchy, group)
  if (found === null) return refuse("EINVAL")
  const number = /^\d+/.exec(found[1]!)
  if (number === null && found[1] !== "max") return refuse("EINVAL")
  const next = {
    ...old,
    quota: number === null ? undefined : BigInt(number[0]),
    period: found[2] === undefined ? old.period : BigInt(found[2])
  }
  checkBandwidth(m, hierarchy, group, next)
  return `${next.quota ?? "max"} ${next.period}`
}

const cfs = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string, text: string): string => {
  const old = bandwidthOf(hierarchy, group)
  if (name === "cpu.cfs_quota_us") {
    const value = signed(text)
    checkBandwidth(m, hierarchy, group, { ...old, quota: value < 0n ? undefined : value })
    return value < 0n ? "-1" : String(value)
  }
  const value = unsigned(text)
  const next = name === "cpu.cfs_period_us" ? { ...old, period: value } : { ...old, burst: value }
  checkBandwidth(m, hierarchy, group, next)
  return String(value)
}

/** Real time of all groups together: 0.95 of the time (`sched_rt_runtime_us`). */
const realTimeOfAll = (950_000n << 20n) / 1_000_000n

/** `cpu.rt_runtime_us` and `cpu.rt_period_us` (`tg_set_rt_bandwidth`, `tg_rt_schedulable`). */
const realTime = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string, text: string): string => {
  if (group.path === "/") return m.unmodelled("the real time of the root group")
  const [runtimeName, periodName] = ["cpu.rt_runtime_us", "cpu.rt_period_us"] as const
  const value = signed(text)
  const runtime = name === runtimeName ? value : BigInt(valueOf(hierarchy, group, runtimeName))
  const period = name === periodName ? value : BigInt(valueOf(hierarchy, group, periodName))
  // EINVAL: no period, no end, more than all the time
  if (period <= 0n || runtime < 0n || runtime > period) refuse("EINVAL")
  const isRealTime = membersOf(m, hierarchy.id, group.path).some(({ scheduler: { policy } }) =>
    policy === SCHED.FIFO || policy === SCHED.RR
  )
  // EBUSY: real-time processes are in it
  if (runtime === 0n && isRealTime) refuse("EBUSY")
  const own = (runtime << 20n) / period
  const share = (one: Cgroup): bigint =>
    one.path === group.path
      ? own
      : (BigInt(valueOf(hierarchy, one, runtimeName)) << 20n) / BigInt(valueOf(hierarchy, one, periodName))
  const sum = (path: string): bigint =>
    children(m, hierarchy.id, path).reduce((total, child) => total + share(child), 0n)
  const parent = parentPath(group.path)
  const above = parent === "/" ? realTimeOfAll : share(m.cgroups.need(keyOf(hierarchy.id, parent)))
  // EINVAL: more than the group above has, together with its siblings, or less than those below have
  if (own > realTimeOfAll || sum(group.path) > own || sum(parent) > above) refuse("EINVAL")
  return String(value)
}

const shares = (hierarchy: Hierarchy, group: Cgroup, text: string): string => {
  const value = unsigned(text)
  // EINVAL: the root has none, an idle group the least
  if (group.path === "/" || valueOf(hierarchy, group, "cpu.idle") === "1") refuse("EINVAL")
  return String(value < 2n ? 2n : value > 262_144n ? 262_144n : value)
}

// ── by file ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a file then holds; `undefined` where the write changes nothing that can be read. */
const accepted = (
  m: Machine,
  hierarchy: Hierarchy,
  group: Cgroup,
  name: string,
  text: string
): string | undefined => {
  switch (name) {
    case "memory.limit_in_bytes":
    case "memory.memsw.limit_in_bytes":
      return limitMemory1(m, hierarchy, group, name, text)
    case "memory.soft_limit_in_bytes":
    case "memory.kmem.tcp.limit_in_bytes":
      return String(amount(m, text, "-1"))
    case "memory.kmem.limit_in_bytes":
      // accepted, and ignored (memory.rst, "deprecated")
      return void amount(m, text, "-1")
    case "memory.swappiness":
      if (group.path === "/") return m.unmodelled("the swappiness of the machine")
      return between(unsigned(text), 0n, 200n) ? String(unsigned(text)) : refuse("EINVAL")
    case "memory.oom_control":
      if (group.path === "/" || unsigned(text) > 1n) refuse("EINVAL")
      return `oom_kill_disable ${unsigned(text)}\nunder_oom 0\noom_kill 0`
    case "memory.use_hierarchy":
      return unsigned(text) === 1n ? undefined : refuse("EINVAL")
    case "memory.force_empty":
      return group.path === "/" ? refuse("EINVAL") : undefined
    case "memory.failcnt":
    case "memory.max_usage_in_bytes":
      return undefined
    case "memory.max":
    case "memory.high":
    case "memory.low":
    case "memory.min":
    case "memory.swap.max": {
      const value = amount(m, text, "max")
      return value === unlimitedMemory ? "max" : String(value)
    }
    case "memory.oom.group":
    case "cpu.idle": {
      // EINVAL: neither 0 nor 1, or another number
      const value = signed(text)
      if (!between(value, 0n, 1n) || group.path === "/") refuse("EINVAL")
      return String(value)
    }
    case "pids.max": {
      if (text === "max") return text
      // EINVAL: negative, or more than there can be (PIDS_MAX, 2^22 and one more)
      const value = signed(text)
      return between(value, 0n, 4_194_304n) ? String(value) : refuse("EINVAL")
    }
    case "cpu.shares":
      return shares(hierarchy, group, text)
    case "cpu.cfs_quota_us":
    case "cpu.cfs_period_us":
    case "cpu.cfs_burst_us":
    case "cpu.max.burst":
      return cfs(m, hierarchy, group, name, text)
    case "cpu.rt_runtime_us":
    case "cpu.rt_period_us":
      return realTime(m, hierarchy, group, name, text)
    case "cpu.max":
      return cpuMax(m, hierarchy, group, text)
    case "cpu.weight":
      // ERANGE: 1 to 10000
      return between(unsigned(text), 1n, 10_000n) ? String(unsigned(text)) : refuse("ERANGE")
    case "blkio.bfq.weight":
      return between(unsigned(text), 1n, 1000n) ? String(unsigned(text)) : refuse("ERANGE")
    case "cgroup.max.depth":
    case "cgroup.max.descendants": {
      if (text === "max") return text
      // ERANGE: negative
      const value = signed(text)
      return between(value, 0n, (1n << 31n) - 1n) ? String(value) : refuse("ERANGE")
    }
    case "notify_on_release":
    case "cgroup.clone_children":
      return unsigned(text) === 0n ? "0" : "1"
    default:
      return text
  }
}

/** Writes a value to a file of a controller. */
export const writeValue = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string, text: string): void => {
  const value = accepted(m, hierarchy, group, name, text)
  if (value === undefined) return
  const values = new Map(group.values).set(name, value)
  // an idle group has the least weight, one that is no longer idle the usual one (sched_group_set_idle)
  if (name === "cpu.idle" && hierarchy.version === 1) values.set("cpu.shares", value === "1" ? "3" : "1024")
  m.cgroups.set(keyOf(hierarchy.id, group.path), { ...group, values })
}
