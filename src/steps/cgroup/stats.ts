/**
 * What a container has used, from its cgroups.
 *
 * @see the kernel's admin-guide/cgroup-v1 and admin-guide/cgroup-v2.rst
 * @category cgroups
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { given } from "../../engine/given.ts"
import type { AnyFd } from "../../native/Handle.ts"
import { type Kernel, orOn, type SyscallError } from "../../native/Kernel.ts"
import { CgroupFileInvalid, type NotACgroup } from "./errors.ts"
import { gone, readIn, withGroup } from "./files.ts"
import { type CgroupManager, type Group, groupOf, unified } from "./Manager.ts"
import { parseKeyed } from "./members.ts"

/** One number of a block device. */
export interface BlkioEntry {
  readonly major: number
  readonly minor: number
  /** `Read`, `Write`, …; empty if the kernel does not tell kinds apart. */
  readonly op: string
  readonly value: bigint
}

/** Times in nanoseconds, sizes in bytes; absent what the kernel does not count. */
export interface Stats {
  readonly cpu?: {
    readonly usage: bigint
    readonly user: bigint
    readonly system: bigint
    /** v1 only. */
    readonly perCpu: ReadonlyArray<bigint>
    readonly periods: bigint
    readonly throttledPeriods: bigint
    readonly throttledTime: bigint
  }
  readonly memory?: {
    readonly usage: bigint
    /** Since Linux 5.19 in v2. */
    readonly maxUsage?: bigint
    /** How often the limit was hit. */
    readonly failures: bigint
    /** Absent: none. */
    readonly limit?: bigint
    /** `memory.stat` as it is. */
    readonly stat: Readonly<Record<string, bigint>>
  }
  readonly pids?: {
    readonly current: bigint
    /** The most at one time; since Linux 6.1 in v2, 6.12 in v1. */
    readonly peak?: bigint
    /** Absent: none. */
    readonly limit?: bigint
  }
  readonly blkio?: {
    readonly serviceBytes: ReadonlyArray<BlkioEntry>
    readonly serviced: ReadonlyArray<BlkioEntry>
    readonly queued: ReadonlyArray<BlkioEntry>
    readonly serviceTime: ReadonlyArray<BlkioEntry>
    readonly waitTime: ReadonlyArray<BlkioEntry>
    readonly merged: ReadonlyArray<BlkioEntry>
    readonly time: ReadonlyArray<BlkioEntry>
    readonly sectors: ReadonlyArray<BlkioEntry>
  }
}

type Read<A> = Effect.Effect<A, SyscallError | CgroupFileInvalid, Kernel>

/** The clock ticks of the files that count in those: a hundred in a second on every architecture that runfx runs on. */
const nanosecondsPerTick = 10_000_000n

/** v1 says "no limit" with the largest multiple of the page size. */
const unlimited = 0x7fff_ffff_ffff_0000n

const number = (dirfd: AnyFd, file: string): Read<bigint | undefined> =>
  Effect.flatMap(readIn(dirfd, file).pipe(orOn(["ENOENT", "ENOTSUP"], undefined)), (text) => {
    const line = text?.trim()
    if (line === undefined || line === "max") return Effect.succeed(undefined)
    return /^-?\d+$/.test(line) ? Effect.succeed(BigInt(line)) : new CgroupFileInvalid({ file, line })
  })

const keyed = (dirfd: AnyFd, file: string): Read<Readonly<Record<string, bigint>>> =>
  Effect.flatMap(readIn(dirfd, file).pipe(orOn(["ENOENT", "ENOTSUP"], "")), (text) => parseKeyed(file, text))

/** A v1 file with lines of `major:minor operation value` or `major:minor value`; the line `Total` is left out. */
export const parseBlkio = (
  file: string,
  text: string
): Effect.Effect<ReadonlyArray<BlkioEntry>, CgroupFileInvalid> =>
  Effect.gen(function*() {
    const entries: Array<BlkioEntry> = []
    for (const line of text.split("\n")) {
      if (line === "" || line.startsWith("Total ")) continue
      const match = /^(\d+):(\d+)(?: (\w+))? (-?\d+)$/.exec(line)
      if (match === null) return yield* new CgroupFileInvalid({ file, line })
      const [, major, minor, op = "", value] = match
      entries.push({ major: Number(major), minor: Number(minor), op, value: BigInt(value!) })
    }
    return entries
  })

/** The v2 file `io.stat`: `major:minor key=value …`; as pairs of device and numbers. */
export const parseIoStat = (
  text: string
): Effect.Effect<
  ReadonlyArray<{ major: number; minor: number; values: ReadonlyMap<string, bigint> }>,
  CgroupFileInvalid
> =>
  Effect.gen(function*() {
    const devices: Array<{ major: number; minor: number; values: ReadonlyMap<string, bigint> }> = []
    for (const line of text.split("\n")) {
      const match = /^(\d+):(\d+)((?: \S+=\S+)*) *$/.exec(line)
      // a device that has done nothing yet is there without numbers, or, in some kernels, without a line break
      if (line.trim() === "" || /^(\d+:\d+ *)+$/.test(line)) continue
      if (match === null) return yield* new CgroupFileInvalid({ file: "io.stat", line })
      const pairs = match[3]!.trim().split(" ").map((pair) => pair.split("=", 2) as [string, string])
      const values = new Map(
        pairs.flatMap(([key, value]) => /^\d+$/.test(value) ? [[key, BigInt(value)] as const] : [])
      )
      devices.push({ major: Number(match[1]), minor: Number(match[2]), values })
    }
    return devices
  })

const cpuV1 = (manager: CgroupManager) =>
  Effect.gen(function*() {
    const accounting = groupOf(manager, "cpuacct")
    const scheduling = groupOf(manager, "cpu")
    if (accounting === undefined && scheduling === undefined) return undefined
    const used = accounting === undefined ? undefined : yield* withGroup(accounting, (dirfd) =>
      Effect.all({
        usage: number(dirfd, "cpuacct.usage"),
        perCpu: readIn(dirfd, "cpuacct.usage_percpu").pipe(orOn(["ENOENT"], "")),
        stat: keyed(dirfd, "cpuacct.stat")
      }))
    const stat = scheduling === undefined
      ? {}
      : yield* withGroup(scheduling, (dirfd) => keyed(dirfd, "cpu.stat"))
    return {
      usage: used?.usage ?? 0n,
      user: (used?.stat["user"] ?? 0n) * nanosecondsPerTick,
      system: (used?.stat["system"] ?? 0n) * nanosecondsPerTick,
      perCpu: (used?.perCpu ?? "").split(/\s+/).filter((text) => /^\d+$/.test(text)).map(BigInt),
      periods: stat["nr_periods"] ?? 0n,
      throttledPeriods: stat["nr_throttled"] ?? 0n,
      throttledTime: stat["throttled_time"] ?? 0n
    }
  })

const cpuV2 = (dirfd: AnyFd) =>
  Effect.map(keyed(dirfd, "cpu.stat"), (stat) =>
    stat["usage_usec"] === undefined ? undefined : {
      usage: stat["usage_usec"] * 1000n,
      user: (stat["user_usec"] ?? 0n) * 1000n,
      system: (stat["system_usec"] ?? 0n) * 1000n,
      perCpu: [],
      periods: stat["nr_periods"] ?? 0n,
      throttledPeriods: stat["nr_throttled"] ?? 0n,
      throttledTime: (stat["throttled_usec"] ?? 0n) * 1000n
    })

const memoryV1 = (dirfd: AnyFd) =>
  Effect.gen(function*() {
    const usage = yield* number(dirfd, "memory.usage_in_bytes")
    if (usage === undefined) return undefined
    const maxUsage = yield* number(dirfd, "memory.max_usage_in_bytes")
    const limit = yield* number(dirfd, "memory.limit_in_bytes")
    return {
      usage,
      ...given({ maxUsage }),
      failures: (yield* number(dirfd, "memory.failcnt")) ?? 0n,
      ...(limit === undefined || limit >= unlimited ? {} : { limit }),
      stat: yield* keyed(dirfd, "memory.stat")
    }
  })

const memoryV2 = (dirfd: AnyFd) =>
  Effect.gen(function*() {
    const usage = yield* number(dirfd, "memory.current")
    if (usage === undefined) return undefined
    const maxUsage = yield* number(dirfd, "memory.peak")
    const limit = yield* number(dirfd, "memory.max")
    return {
      usage,
      ...given({ maxUsage }),
      failures: (yield* keyed(dirfd, "memory.events"))["max"] ?? 0n,
      ...given({ limit }),
      stat: yield* keyed(dirfd, "memory.stat")
    }
  })

const pids = (dirfd: AnyFd) =>
  Effect.gen(function*() {
    const current = yield* number(dirfd, "pids.current")
    if (current === undefined) return undefined
    const limit = yield* number(dirfd, "pids.max")
    const peak = yield* number(dirfd, "pids.peak")
    return { current, ...given({ peak, limit }) }
  })

const blkioV1 = (dirfd: AnyFd) =>
  Effect.gen(function*() {
    const entries = (file: string) =>
      Effect.flatMap(readIn(dirfd, file).pipe(orOn(["ENOENT", "ENOTSUP"], "")), (text) => parseBlkio(file, text))
    // the scheduler's own numbers if it keeps any (CFQ and its successor BFQ), else those of the throttling layer
    for (const family of ["blkio", "blkio.bfq"]) {
      const serviced = yield* entries(`${family}.io_serviced_recursive`)
      if (serviced.length === 0) continue
      return {
        serviceBytes: yield* entries(`${family}.io_service_bytes_recursive`),
        serviced,
        queued: yield* entries(`${family}.io_queued_recursive`),
        serviceTime: yield* entries(`${family}.io_service_time_recursive`),
        waitTime: yield* entries(`${family}.io_wait_time_recursive`),
        merged: yield* entries(`${family}.io_merged_recursive`),
        time: yield* entries(`${family}.time_recursive`),
        sectors: yield* entries(`${family}.sectors_recursive`)
      }
    }
    return {
      ...noBlkio,
      serviceBytes: yield* entries("blkio.throttle.io_service_bytes"),
      serviced: yield* entries("blkio.throttle.io_serviced")
    }
  })

const noBlkio = {
  serviceBytes: [],
  serviced: [],
  queued: [],
  serviceTime: [],
  waitTime: [],
  merged: [],
  time: [],
  sectors: []
}

const ioV2 = (dirfd: AnyFd) =>
  Effect.gen(function*() {
    const text = yield* readIn(dirfd, "io.stat").pipe(orOn(["ENOENT", "ENOTSUP"], undefined))
    if (text === undefined) return undefined
    const devices = yield* parseIoStat(text)
    const entries = (keys: Readonly<Record<string, string>>): ReadonlyArray<BlkioEntry> =>
      devices.flatMap(({ major, minor, values }) =>
        Object.entries(keys).flatMap(([op, key]) => {
          const value = values.get(key)
          return value === undefined ? [] : [{ major, minor, op, value }]
        })
      )
    return {
      ...noBlkio,
      serviceBytes: entries({ Read: "rbytes", Write: "wbytes", Discard: "dbytes" }),
      serviced: entries({ Read: "rios", Write: "wios", Discard: "dios" })
    }
  })

/** Reads all numbers that the container's hierarchies keep. It has none of hierarchies that are gone or not there. */
export const stats = (
  manager: CgroupManager
): Effect.Effect<Stats, SyscallError | NotACgroup | CgroupFileInvalid, Kernel> =>
  Effect.gen(function*() {
    const v2 = groupOf(manager, unified)
    const from = <A>(group: Group | undefined, read: (dirfd: AnyFd) => Read<A>) =>
      group === undefined ? Effect.succeed(undefined) : withGroup(group, read).pipe(orOn(gone, undefined))
    const cpu = (yield* cpuV1(manager).pipe(orOn(gone, undefined))) ?? (yield* from(v2, cpuV2))
    const v1Memory = groupOf(manager, "memory")
    const memory = yield* v1Memory === undefined ? from(v2, memoryV2) : from(v1Memory, memoryV1)
    const tasks = yield* from(groupOf(manager, "pids") ?? v2, pids)
    const v1Blkio = groupOf(manager, "blkio")
    const blkio = yield* v1Blkio === undefined ? from(v2, ioV2) : from(v1Blkio, blkioV1)
    return {
      ...given({ cpu, memory, pids: tasks, blkio })
    }
  })
