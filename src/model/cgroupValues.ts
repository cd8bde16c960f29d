/**
 * The values that files of controllers accept, except those of devices and cpusets. @see admin-guide/cgroup-v1,
 * cgroup-v2.rst
 */
import { cfs, cpuMax, realTime, shares } from "./cgroupCpu.ts"
import { ioMax, throttle } from "./cgroupIo.ts"
import { amount, hugePage, limitMemory1, unlimitedMemory } from "./cgroupMemory.ts"
import { keyOf } from "./cgroupTree.ts"
import type { Rule, Write } from "./cgroupWrite.ts"
import { type Machine, refuse } from "./Machine.ts"
import { signed, unsigned } from "./numbers.ts"
import type { Cgroup, Hierarchy } from "./State.ts"

const between = (value: bigint, low: bigint, high: bigint): boolean => value >= low && value <= high

const isRoot = ({ group: { path } }: Write): boolean => path === "/"

const oneOf = (low: bigint, high: bigint, errno: "EINVAL" | "ERANGE"): Rule => ({ text }) => {
  const value = unsigned(text)
  return between(value, low, high) ? String(value) : refuse(errno)
}

const unchanged: Rule = () => undefined

const softLimit1: Rule = ({ text }) => String(amount(text, "-1"))

const limit2: Rule = ({ text }) => {
  const value = amount(text, "max")
  return value === unlimitedMemory ? "max" : String(value)
}

const oomControl: Rule = (write) => {
  if (isRoot(write)) refuse("EINVAL")
  const value = unsigned(write.text)
  if (value > 1n) refuse("EINVAL")
  return `oom_kill_disable ${value}\nunder_oom 0\noom_kill 0`
}

/** EINVAL: neither 0 nor 1, or of the root. */
const switchOf: Rule = (write) => {
  const value = signed(write.text)
  if (!between(value, 0n, 1n) || isRoot(write)) refuse("EINVAL")
  return String(value)
}

/** EINVAL: negative, or more than PIDS_MAX (2^22 + 1). */
const pidsMax: Rule = ({ text }) => {
  if (text === "max") return text
  const value = signed(text)
  return between(value, 0n, 4_194_304n) ? String(value) : refuse("EINVAL")
}

/** ERANGE: negative; the greatest number is shown as no limit. */
const treeLimit: Rule = ({ text }) => {
  if (text === "max") return text
  const value = signed(text, 32)
  return value < 0n ? refuse("ERANGE") : value === (1n << 31n) - 1n ? "max" : String(value)
}

const flag: Rule = ({ text }) => unsigned(text) === 0n ? "0" : "1"

/** Rules by file. Other files accept any text, except those of huge pages. */
const rules: Readonly<Record<string, Rule>> = {
  "memory.limit_in_bytes": limitMemory1,
  "memory.memsw.limit_in_bytes": limitMemory1,
  "memory.soft_limit_in_bytes": softLimit1,
  "memory.kmem.tcp.limit_in_bytes": softLimit1,
  // accepted, and ignored (memory.rst, "deprecated")
  "memory.kmem.limit_in_bytes": ({ text }) => void amount(text, "-1"),
  "memory.swappiness": (write) =>
    isRoot(write) ? write.m.unmodelled("the swappiness of the machine") : oneOf(0n, 200n, "EINVAL")(write),
  "memory.oom_control": oomControl,
  "memory.use_hierarchy": ({ text }) => unsigned(text) === 1n ? undefined : refuse("EINVAL"),
  "memory.force_empty": (write) => isRoot(write) ? refuse("EINVAL") : undefined,
  "memory.failcnt": unchanged,
  "memory.max_usage_in_bytes": unchanged,
  "memory.max": limit2,
  "memory.high": limit2,
  "memory.low": limit2,
  "memory.min": limit2,
  "memory.swap.max": limit2,
  "memory.oom.group": switchOf,
  "cpu.idle": switchOf,
  "pids.max": pidsMax,
  "cpu.shares": shares,
  "cpu.cfs_quota_us": cfs,
  "cpu.cfs_period_us": cfs,
  "cpu.cfs_burst_us": cfs,
  "cpu.max.burst": cfs,
  "cpu.rt_runtime_us": realTime,
  "cpu.rt_period_us": realTime,
  "cpu.max": cpuMax,
  "cpu.weight": oneOf(1n, 10_000n, "ERANGE"),
  "blkio.bfq.weight": oneOf(1n, 1000n, "ERANGE"),
  "cgroup.max.depth": treeLimit,
  "cgroup.max.descendants": treeLimit,
  "blkio.throttle.read_bps_device": throttle(64),
  "blkio.throttle.write_bps_device": throttle(64),
  "blkio.throttle.read_iops_device": throttle(32),
  "blkio.throttle.write_iops_device": throttle(32),
  "io.max": ioMax,
  // EINVAL: it can only be reset to 0 (cpuusage_write)
  "cpuacct.usage": ({ text }) => unsigned(text) === 0n ? undefined : refuse("EINVAL"),
  notify_on_release: flag,
  "cgroup.clone_children": flag
}

/** Writes a value to a file of a controller. */
export const writeValue = (m: Machine, hierarchy: Hierarchy, group: Cgroup, name: string, text: string): void => {
  const rule = rules[name] ?? (name.startsWith("hugetlb.") ? hugePage : undefined)
  const value = rule === undefined ? text : rule({ m, hierarchy, group, name, text })
  if (value === undefined) return
  const values = new Map(group.values).set(name, value)
  // an idle group has the lowest weight; when it is idle no more, the default one (sched_group_set_idle)
  if (name === "cpu.idle" && hierarchy.version === 1) values.set("cpu.shares", value === "1" ? "3" : "1024")
  m.cgroups.set(keyOf(hierarchy.id, group.path), { ...group, values })
}
