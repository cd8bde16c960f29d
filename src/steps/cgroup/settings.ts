/**
 * The limits of a configuration as files and values: one table, with a row for each controller and a column for each kind of
 * hierarchy.
 *
 * Pure. Zero means "not set" for memory, shares, quota, periods and weights, as the runtimes before this one read it; -1
 * means "no limit". What only version 1 has is left out on version 2, with a debug message: engines write it on every host.
 *
 * @see cgroups(7), the kernel's admin-guide/cgroup-v1 and admin-guide/cgroup-v2.rst, OCI config-linux.md#control-groups
 * @category cgroups
 * @since 0.1.0
 */
import type { Cgroup, DeviceRule, ThrottleDevice } from "../../config/Container.ts"

/** A value to write. */
export interface Setting {
  readonly _tag: "Setting"
  /** What the configuration calls it: `memory.limit`. */
  readonly limit: string
  /** Files that would do, in the order of preference: the first that exists is written. */
  readonly candidates: ReadonlyArray<{ readonly file: string; readonly value: string }>
  /** Without the file the limit holds anyway, so that its absence is no failure. */
  readonly optional: boolean
}

/** A value without sense. */
export interface Invalid {
  readonly _tag: "Invalid"
  readonly limit: string
  readonly problem: string
}

/**
 * A limit that this kind of hierarchy has no word for.
 *
 * @since 0.2.0
 */
export interface Ignored {
  readonly _tag: "Ignored"
  readonly limit: string
  readonly problem: string
}

/** What is written to one controller. */
export type Settings = ReadonlyArray<Setting | Invalid | Ignored>

const one = (limit: string, file: string, value: string | bigint | number, optional = false): Settings => [
  { _tag: "Setting", limit, candidates: [{ file, value: String(value) }], optional }
]

const invalid = (limit: string, problem: string): Settings => [{ _tag: "Invalid", limit, problem }]

const onlyInV1 = (limit: string): Settings => [
  { _tag: "Ignored", limit, problem: "has no effect: cgroup v2 has no such limit" }
]

/** Settings of a value that is set: neither absent nor zero. */
const ifSet = (value: bigint | undefined, settings: (value: bigint) => Settings): Settings =>
  value === undefined || value === 0n ? [] : settings(value)

const ifGiven = <A>(value: A | undefined, settings: (value: A) => Settings): Settings =>
  value === undefined ? [] : settings(value)

/** `max` for a negative number. */
const orMax = (value: bigint): string => value < 0n ? "max" : String(value)

// -- conversions ------------------------------------------------------------------------------------------------------

/**
 * v1's `cpu.shares` (2 to 262144) as v2's `cpu.weight` (1 to 10000), such that the default of the one, 1024, becomes the
 * default of the other, 100: the quadratic in the logarithm that the runtimes have agreed on.
 */
export const weightOfShares = (shares: bigint): number => {
  if (shares <= 2n) return 1
  if (shares >= 262144n) return 10000
  const log = Math.log2(Number(shares))
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))
}

/** v1's `blkio.weight` (10 to 1000) as v2's `io.weight` (1 to 10000), linear. */
export const ioWeightOfBlkio = (weight: number): number => 1 + Math.floor((weight - 10) * 9999 / 990)

/** `memory.swap.max` from memory and swap together; a text that says why there is none. */
export const swapOf = (memoryAndSwap: bigint, memory: bigint): bigint | string => {
  if (memoryAndSwap < 0n) return -1n
  if (memory === 0n) return "is memory and swap together, so that memory.limit is needed too"
  // of memory without a limit nothing can be taken away: runc takes it for the swap alone
  if (memory < 0n) return memoryAndSwap
  if (memoryAndSwap < memory) return "is memory and swap together, so that it can't be less than memory.limit"
  return memoryAndSwap - memory
}

// -- the table --------------------------------------------------------------------------------------------------------

const memoryV1 = ({ memory }: Cgroup): Settings =>
  memory === undefined ? [] : [
    ...ifSet(memory.limit, (value) => one("memory.limit", "memory.limit_in_bytes", value)),
    // without a limit of memory there is none of both together either
    ...ifSet(
      memory.swap ?? (memory.limit === -1n ? -1n : undefined),
      (value) => one("memory.swap", "memory.memsw.limit_in_bytes", value, memory.swap === undefined)
    ),
    ...ifSet(memory.reservation, (value) => one("memory.reservation", "memory.soft_limit_in_bytes", value)),
    ...ifSet(memory.kernel, (value) => one("memory.kernel", "memory.kmem.limit_in_bytes", value)),
    ...ifSet(memory.kernelTcp, (value) => one("memory.kernelTcp", "memory.kmem.tcp.limit_in_bytes", value)),
    ...ifGiven(memory.swappiness, (value) => one("memory.swappiness", "memory.swappiness", value)),
    ...ifGiven(
      memory.useHierarchy,
      (value) => one("memory.useHierarchy", "memory.use_hierarchy", value ? 1 : 0, value)
    ),
    ...(memory.disableOomKiller === true ? one("memory.disableOomKiller", "memory.oom_control", 1) : [])
  ]

const memoryV2 = ({ memory }: Cgroup): Settings =>
  memory === undefined ? [] : [
    ...ifSet(memory.limit, (value) => one("memory.limit", "memory.max", orMax(value))),
    ...ifSet(memory.swap ?? (memory.limit === -1n ? -1n : undefined), (value) => {
      const swap = swapOf(value, memory.limit ?? 0n)
      // without swap accounting there is no file: a limit of none, or no limit, is then taken as given
      return typeof swap === "string"
        ? invalid("memory.swap", swap)
        : one("memory.swap", "memory.swap.max", orMax(swap), swap <= 0n)
    }),
    ...ifSet(memory.reservation, (value) => one("memory.reservation", "memory.low", orMax(value))),
    ...ifSet(memory.kernel, () => onlyInV1("memory.kernel")),
    ...ifSet(memory.kernelTcp, () => onlyInV1("memory.kernelTcp")),
    ...ifGiven(memory.swappiness, () => onlyInV1("memory.swappiness")),
    ...(memory.useHierarchy === false ? onlyInV1("memory.useHierarchy") : []),
    ...(memory.disableOomKiller === true ? onlyInV1("memory.disableOomKiller") : [])
  ]

// the period comes before the quota: once there is a quota, their ratio may not exceed that of the group above. The burst
// comes after the quota, which it may not exceed
const cpuV1 = ({ cpu }: Cgroup): Settings =>
  cpu === undefined ? [] : [
    ...ifSet(cpu.shares, (value) => one("cpu.shares", "cpu.shares", value)),
    ...ifSet(cpu.period, (value) => one("cpu.period", "cpu.cfs_period_us", value)),
    ...ifSet(cpu.quota, (value) => one("cpu.quota", "cpu.cfs_quota_us", value)),
    ...ifGiven(cpu.burst, (value) => one("cpu.burst", "cpu.cfs_burst_us", value)),
    ...ifSet(cpu.realtimePeriod, (value) => one("cpu.realtimePeriod", "cpu.rt_period_us", value)),
    ...ifSet(cpu.realtimeRuntime, (value) => one("cpu.realtimeRuntime", "cpu.rt_runtime_us", value)),
    ...ifGiven(cpu.idle, (value) => one("cpu.idle", "cpu.idle", value))
  ]

const cpuV2 = ({ cpu }: Cgroup): Settings =>
  cpu === undefined ? [] : [
    // an idle group has no weight of its own: the kernel refuses one
    ...(cpu.idle === 1n ? [] : ifSet(cpu.shares, (value) => one("cpu.shares", "cpu.weight", weightOfShares(value)))),
    ...cpuMax(cpu.quota ?? 0n, cpu.period ?? 0n),
    ...ifGiven(cpu.burst, (value) => one("cpu.burst", "cpu.max.burst", value)),
    ...ifSet(cpu.realtimePeriod, () => onlyInV1("cpu.realtimePeriod")),
    ...ifSet(cpu.realtimeRuntime, () => onlyInV1("cpu.realtimeRuntime")),
    ...ifGiven(cpu.idle, (value) => one("cpu.idle", "cpu.idle", value))
  ]

const cpuMax = (quota: bigint, period: bigint): Settings => {
  if (quota === 0n && period === 0n) return []
  const limit = quota === 0n ? "cpu.period" : "cpu.quota"
  return one(limit, "cpu.max", (quota > 0n ? String(quota) : "max") + (period === 0n ? "" : ` ${period}`))
}

const cpuset = ({ cpu }: Cgroup): Settings => [
  ...(cpu?.cpus === undefined || cpu.cpus === "" ? [] : one("cpu.cpus", "cpuset.cpus", cpu.cpus)),
  ...(cpu?.mems === undefined || cpu.mems === "" ? [] : one("cpu.mems", "cpuset.mems", cpu.mems))
]

/** 0 is a limit too (runtime-spec 1.3). It is written as 1: the container's first process is there in any case. */
const pids = ({ pids }: Cgroup): Settings =>
  ifGiven(pids?.limit, (value) => one("pids.limit", "pids.max", value === 0n ? 1 : orMax(value)))

type Throttle =
  | "throttleReadBpsDevice"
  | "throttleWriteBpsDevice"
  | "throttleReadIOPSDevice"
  | "throttleWriteIOPSDevice"

const throttles: ReadonlyArray<readonly [Throttle, v1: string, v2: string]> = [
  ["throttleReadBpsDevice", "read_bps_device", "rbps"],
  ["throttleWriteBpsDevice", "write_bps_device", "wbps"],
  ["throttleReadIOPSDevice", "read_iops_device", "riops"],
  ["throttleWriteIOPSDevice", "write_iops_device", "wiops"]
]

const throttled = (
  io: NonNullable<Cgroup["blockIO"]>,
  settings: (limit: string, v1: string, v2: string, device: ThrottleDevice) => Settings
): Settings =>
  throttles.flatMap(([key, v1, v2]) => (io[key] ?? []).flatMap((device) => settings(`blockIO.${key}`, v1, v2, device)))

const either = (limit: string, ...candidates: Setting["candidates"]): Settings => [
  { _tag: "Setting", limit, candidates, optional: false }
]

const positive = (value: number | undefined, settings: (value: number) => Settings): Settings =>
  value === undefined || value === 0 ? [] : settings(value)

const devices = (io: NonNullable<Cgroup["blockIO"]>) =>
  (io.weightDevice ?? []).map(({ leafWeight, major, minor, weight }) => ({
    device: `${major}:${minor}`,
    weight,
    leafWeight
  }))

const blkioV1 = ({ blockIO: io }: Cgroup): Settings =>
  io === undefined ? [] : [
    ...positive(io.weight, (weight) =>
      either(
        "blockIO.weight",
        { file: "blkio.weight", value: String(weight) },
        { file: "blkio.bfq.weight", value: String(weight) }
      )),
    ...positive(io.leafWeight, (weight) => one("blockIO.leafWeight", "blkio.leaf_weight", weight)),
    ...devices(io).flatMap(({ device, weight }) =>
      positive(weight, (weight) =>
        either(
          "blockIO.weightDevice",
          { file: "blkio.weight_device", value: `${device} ${weight}` },
          { file: "blkio.bfq.weight_device", value: `${device} ${weight}` }
        ))
    ),
    ...devices(io).flatMap(({ device, leafWeight }) =>
      positive(
        leafWeight,
        (weight) => one("blockIO.weightDevice.leafWeight", "blkio.leaf_weight_device", `${device} ${weight}`)
      )
    ),
    ...throttled(io, (limit, file, _, { major, minor, rate }) =>
      one(limit, `blkio.throttle.${file}`, `${major}:${minor} ${rate}`))
  ]

const ioV2 = ({ blockIO: io }: Cgroup): Settings =>
  io === undefined ? [] : [
    ...positive(io.weight, (weight) =>
      either(
        "blockIO.weight",
        { file: "io.bfq.weight", value: String(weight) },
        { file: "io.weight", value: `default ${ioWeightOfBlkio(weight)}` }
      )),
    ...positive(io.leafWeight, () => onlyInV1("blockIO.leafWeight")),
    ...devices(io).flatMap(({ device, weight }) =>
      positive(weight, (weight) =>
        either(
          "blockIO.weightDevice",
          { file: "io.bfq.weight", value: `${device} ${weight}` },
          { file: "io.weight", value: `${device} ${ioWeightOfBlkio(weight)}` }
        ))
    ),
    ...devices(io).flatMap(({ leafWeight }) => positive(leafWeight, () => onlyInV1("blockIO.weightDevice.leafWeight"))),
    ...throttled(io, (limit, _, key, { major, minor, rate }) =>
      one(limit, "io.max", `${major}:${minor} ${key}=${rate === 0n ? "max" : rate}`))
  ]

const hugetlb = (suffix: string, rsvd: string) => ({ hugepageLimits }: Cgroup): Settings =>
  (hugepageLimits ?? []).flatMap(({ limit, pageSize }) =>
    // reserved pages are accounted apart since Linux 5.7
    one("hugepageLimits", `hugetlb.${pageSize}.${suffix}`, limit).concat(
      one("hugepageLimits", `hugetlb.${pageSize}.${rsvd}`, limit, true)
    )
  )

const rdma = ({ rdma }: Cgroup): Settings =>
  Object.entries(rdma ?? {}).flatMap(([device, { hcaHandles, hcaObjects }]) =>
    one(
      "rdma",
      "rdma.max",
      [
        device,
        ...(hcaHandles === undefined ? [] : [`hca_handle=${hcaHandles}`]),
        ...(hcaObjects === undefined ? [] : [`hca_object=${hcaObjects}`])
      ].join(" ")
    )
  )

const netCls = ({ network }: Cgroup): Settings =>
  network?.classID === undefined ? [] : one("network.classID", "net_cls.classid", network.classID)

const netPrio = ({ network }: Cgroup): Settings =>
  (network?.priorities ?? []).flatMap(({ name, priority }) =>
    one("network.priorities", "net_prio.ifpriomap", `${name} ${priority}`)
  )

const onlyV1 = (settings: (cgroup: Cgroup) => Settings) => (cgroup: Cgroup): Settings =>
  settings(cgroup).flatMap(({ limit }) => onlyInV1(limit))

/** A row: the name of a controller in each kind of hierarchy, and what is written to it there. */
export interface Controller {
  readonly v1: string
  readonly v2: string
  readonly settingsV1: (cgroup: Cgroup) => Settings
  readonly settingsV2: (cgroup: Cgroup) => Settings
}

/** The controllers that have limits. Devices are not among them: v2 has no files for those. */
export const controllers: ReadonlyArray<Controller> = [
  { v1: "memory", v2: "memory", settingsV1: memoryV1, settingsV2: memoryV2 },
  { v1: "cpu", v2: "cpu", settingsV1: cpuV1, settingsV2: cpuV2 },
  { v1: "cpuset", v2: "cpuset", settingsV1: cpuset, settingsV2: cpuset },
  { v1: "pids", v2: "pids", settingsV1: pids, settingsV2: pids },
  { v1: "blkio", v2: "io", settingsV1: blkioV1, settingsV2: ioV2 },
  {
    v1: "hugetlb",
    v2: "hugetlb",
    settingsV1: hugetlb("limit_in_bytes", "rsvd.limit_in_bytes"),
    settingsV2: hugetlb("max", "rsvd.max")
  },
  { v1: "rdma", v2: "rdma", settingsV1: rdma, settingsV2: rdma },
  { v1: "net_cls", v2: "net_cls", settingsV1: netCls, settingsV2: onlyV1(netCls) },
  { v1: "net_prio", v2: "net_prio", settingsV1: netPrio, settingsV2: onlyV1(netPrio) }
]

/** The `unified` keys: a line is a write of its own, since files such as `io.max` take one device at a time. */
export const unifiedSettings = ({ unified }: Cgroup): Settings =>
  Object.entries(unified ?? {}).flatMap(([file, value]) => {
    const limit = `unified[${JSON.stringify(file)}]`
    if (!/^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$/.test(file)) return invalid(limit, "is not the name of a cgroup v2 file")
    if (/^cgroup\.(procs|threads|kill|type)$/.test(file)) return invalid(limit, "is not a limit")
    return value.split("\n").filter((line) => line.trim() !== "").flatMap((line) => one(limit, file, line))
  })

/** One write to `devices.allow` or `devices.deny` of v1. */
export interface DeviceWrite {
  readonly file: "devices.allow" | "devices.deny"
  readonly value: string
}

const everything = /^(?=.*r)(?=.*w)(?=.*m)/

/** The device rules as writes to v1 files, in their order: later rules win. */
export const deviceWrites = (rules: ReadonlyArray<DeviceRule>): ReadonlyArray<DeviceWrite> =>
  rules.flatMap(({ access, allow, major, minor, type }): ReadonlyArray<DeviceWrite> => {
    const file = allow ? "devices.allow" : "devices.deny"
    // the kernel takes "a" as everything and reads no further; a rule for both types with a number is two rules
    if (type === "a" && major === null && minor === null && everything.test(access)) return [{ file, value: "a" }]
    const types = type === "a" ? ["b", "c"] : [type]
    return types.map((letter) => ({ file, value: `${letter} ${major ?? "*"}:${minor ?? "*"} ${access}` }))
  })
