/**
 * What a container has run out of, as its cgroups count it: a process that the kernel kills for memory, or a fork that it
 * refuses, says nothing of the limit that it met.
 *
 * @see the kernel's admin-guide/cgroup-v2.rst (memory.events, pids.events), cgroup-v1/memory.rst (memory.oom_control)
 * @category cgroups
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { given } from "../../engine/given.ts"
import { type Kernel, orOn, type SyscallError } from "../../native/Kernel.ts"
import type { CgroupFileInvalid, NotACgroup } from "./errors.ts"
import { fileCalls, gone, readIn, withGroup } from "./files.ts"
import { type CgroupManager, type Group, groupFor, groups, unified } from "./Manager.ts"
import { parseKeyed } from "./members.ts"

/** The calls that {@link shortage} makes. */
export const shortageCalls = fileCalls

/** What was short, and in which group. */
export interface Shortage {
  /** Processes that the out-of-memory killer has ended. */
  readonly killed: number
  /** Forks and clones that the limit of processes has refused. */
  readonly refused: number
  /** The group's own limit of memory, in bytes. Absent if nothing was killed, or if a group above or the machine was short. */
  readonly memoryLimit?: bigint
  /** The group's own limit of processes. Absent if nothing was refused, or if there is none. */
  readonly pidsLimit?: bigint
}

const count = (group: Group | undefined, file: string, key: string) =>
  group === undefined ? Effect.succeed(0) : withGroup(group, (dirfd) =>
    Effect.gen(function*() {
      const values = yield* parseKeyed(file, yield* readIn(dirfd, file))
      return Number(values[key] ?? 0n)
    })).pipe(orOn(gone, 0))

/** The largest number that version 1 shows stands for no limit: it is rounded down to pages. */
const unlimited = 2n ** 63n - 2n ** 16n

const limit = (group: Group | undefined, file: string) =>
  group === undefined ?
    Effect.succeed(undefined) :
    withGroup(group, (dirfd) =>
      Effect.map(readIn(dirfd, file), (text) => {
        const value = /^\d+\s*$/.test(text) ? BigInt(text.trim()) : undefined
        return value === undefined || value >= unlimited ? undefined : value
      })).pipe(orOn(gone, undefined))

/** What the container has run out of; `undefined` if its groups count nothing. */
export const shortage = (
  manager: CgroupManager
): Effect.Effect<Shortage | undefined, SyscallError | NotACgroup | CgroupFileInvalid, Kernel> =>
  Effect.gen(function*() {
    const all = groups(manager)
    const v2 = groupFor(all, unified)
    const memory = groupFor(all, "memory")
    const pids = groupFor(all, "pids") ?? v2
    const killed = memory === undefined
      ? yield* count(v2, "memory.events", "oom_kill")
      : yield* count(memory, "memory.oom_control", "oom_kill")
    const refused = yield* count(pids, "pids.events", "max")
    if (killed === 0 && refused === 0) return undefined
    const memoryLimit = killed === 0
      ? undefined
      : memory === undefined
      ? yield* limit(v2, "memory.max")
      : yield* limit(memory, "memory.limit_in_bytes")
    const pidsLimit = refused === 0 ? undefined : yield* limit(pids, "pids.max")
    return {
      killed,
      refused,
      ...given({ memoryLimit, pidsLimit })
    }
  })

const times = (number: number, one: string, many: string): string => number === 1 ? `1 ${one}` : `${number} ${many}`

/** A shortage in words. */
export const describeShortage = ({ killed, memoryLimit, pidsLimit, refused }: Shortage): string =>
  [
    ...(killed === 0 ? [] : [
      `the out-of-memory killer has ended ${times(killed, "process", "processes")} of it: ` +
      (memoryLimit === undefined
        ? "a memory limit above its cgroup, or the machine's memory, is used up"
        : `its memory limit is ${memoryLimit} bytes`)
    ]),
    ...(refused === 0 ? [] : [
      `${times(refused, "fork was", "forks were")} refused: ` +
      (pidsLimit === undefined ? "a pids limit above its cgroup is reached" : `its pids limit is ${pidsLimit}`)
    ])
  ].join("; ")
