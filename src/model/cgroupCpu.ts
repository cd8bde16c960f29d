/** The values that the files of the cpu controller accept. @see scheduler/sched-bwc.rst, sched-rt-group.rst */
import { SCHED } from "../native/constants.ts"
import { children, keyOf, membersOf, parentPath } from "./cgroupTree.ts"
import { type Rule, valueOf } from "./cgroupWrite.ts"
import { type Machine, refuse } from "./Machine.ts"
import { signed, unsigned } from "./numbers.ts"
import type { Cgroup, Hierarchy } from "./State.ts"

/** `max_cfs_runtime`, in microseconds. */
const longestQuota = (1n << 44n) - 1n

interface Bandwidth {
  /** Microseconds; `undefined` for all. */
  readonly quota: bigint | undefined
  readonly period: bigint
  readonly burst: bigint
}

/** The share of a processor times 2^20, as the kernel compares shares; `undefined` for all. */
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

/** Whether no group has a larger share than a group above it; version 1 only (`tg_cfs_schedulable_down`). */
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
  // the root has no limit; periods are 1 ms to 1 s; a quota is at least 1 ms; a burst is at most the quota
  if (group.path === "/") refuse("EINVAL")
  if (period < 1000n || period > 1_000_000n) refuse("EINVAL")
  if (quota !== undefined) {
    if (quota < 1000n || quota > longestQuota) refuse("EINVAL")
    if (burst > quota || burst + quota > longestQuota) refuse("EINVAL")
  }
  if (hierarchy.version === 1 && !isSchedulable(m, hierarchy, group, next)) refuse("EINVAL")
}

/** `cpu.max`: a quota and perhaps a period; what follows is not read (`cpu_period_quota_parse`). */
export const cpuMax: Rule = ({ group, hierarchy, m, text }) => {
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

/** `cpu.cfs_*_us` of version 1, and `cpu.max.burst`, which is one number as well. */
export const cfs: Rule = ({ group, hierarchy, m, name, text }) => {
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

/** The real-time share of all groups together: 0.95 of the time (`sched_rt_runtime_us`). */
const realTimeOfAll = (950_000n << 20n) / 1_000_000n

/** The most microseconds whose nanoseconds fit into 64 bits. */
const longestPeriod = (2n ** 64n - 1n) / 1000n

/** `cpu.rt_runtime_us` and `cpu.rt_period_us` (`tg_set_rt_bandwidth`, `tg_rt_schedulable`). */
export const realTime: Rule = ({ group, hierarchy, m, name, text }) => {
  if (group.path === "/") return m.unmodelled("the real time of the root group")
  const [runtimeName, periodName] = ["cpu.rt_runtime_us", "cpu.rt_period_us"] as const
  const value = name === runtimeName ? signed(text) : unsigned(text)
  const runtime = name === runtimeName ? value : BigInt(valueOf(hierarchy, group, runtimeName))
  const period = name === periodName ? value : BigInt(valueOf(hierarchy, group, periodName))
  // EINVAL: no period, an unlimited runtime, or more runtime than the period
  if (period > longestPeriod || period <= 0n || runtime < 0n || runtime > period) refuse("EINVAL")
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
  // EINVAL: together with its siblings, more than the parent has; or less than the groups below have
  if (own > realTimeOfAll || sum(group.path) > own || sum(parent) > above) refuse("EINVAL")
  return String(value)
}

/** `cpu.shares` (`sched_group_set_shares`). */
export const shares: Rule = ({ group, hierarchy, text }) => {
  const value = unsigned(text)
  // EINVAL: the root has no shares, and those of an idle group are fixed
  if (group.path === "/" || valueOf(hierarchy, group, "cpu.idle") === "1") refuse("EINVAL")
  return String(value < 2n ? 2n : value > 262_144n ? 262_144n : value)
}
