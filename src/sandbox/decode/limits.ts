/** The limits of a sandbox: what a cgroup keeps, and what each process brings along. */
import * as Effect from "effect/Effect"
import type { Cgroup } from "../../config/Container.ts"
import { bytesOf, type Size } from "../../config/shape/quantity.ts"
import { RLIMIT } from "../../native/constants.ts"
import { sys } from "../../native/Kernel.ts"
import type { IfPossible, Limits } from "../Description.ts"

const defaultProcesses = 1024
const defaultFiles = 1024n
/** Of the scheduler, in microseconds. */
const period = 100_000n

const wanted = <A>(limit: A | IfPossible<A>): { readonly value: A; readonly optional: boolean } =>
  typeof limit === "object" && limit !== null && "_tag" in limit && limit._tag === "IfPossible"
    ? { value: limit.value, optional: true }
    : { value: limit as A, optional: false }

/** What a cgroup keeps. */
export interface InCgroup {
  readonly cgroup: Omit<Cgroup, "devices">
  readonly inCgroup: ReadonlyArray<string>
  readonly optional: boolean
}

/**
 * The limits that a cgroup keeps.
 *
 * @param pids whether the number of processes is among them
 */
export const cgroupOf = ({ cpus, memory, processes, swap }: Limits, pids: boolean): InCgroup => {
  const given = { memory, swap, cpus, ...(pids ? { processes } : {}) }
  const asked = Object.entries(given).filter(([, limit]) => limit !== undefined)
  const size = (limit: Size | IfPossible<Size> | undefined) =>
    limit === undefined ? undefined : bytesOf(wanted(limit).value)
  const most = size(memory)
  const both = size(swap) ?? most
  return {
    cgroup: {
      ...(most === undefined && both === undefined
        ? {}
        : {
          memory: { ...(most === undefined ? {} : { limit: most }), ...(both === undefined ? {} : { swap: both }) }
        }),
      ...(cpus === undefined
        ? {}
        : { cpu: { period, quota: BigInt(Math.round(wanted(cpus).value * Number(period))) } }),
      ...(pids ? { pids: { limit: BigInt(wanted(processes ?? defaultProcesses).value) } } : {})
    },
    inCgroup: asked.map(([name]) => `limits.${name}`),
    optional: asked.every(([, limit]) => wanted(limit as unknown).optional)
  }
}

const ownLimit = (resource: number) => sys.prlimit64({ pid: 0, resource, limit: null })

const least = (one: bigint, other: bigint): bigint => one < other ? one : other

/**
 * The limits of each process.
 *
 * @param processes whether the number of processes is among them
 */
export const rlimitsOf = (limits: Limits, processes: boolean) =>
  Effect.gen(function*() {
    const files = limits.files === undefined
      ? least(defaultFiles, (yield* ownLimit(RLIMIT.NOFILE)).hard)
      : BigInt(limits.files)
    const fileSize = bytesOf(limits.fileSize)
    const most = BigInt(wanted(limits.processes ?? defaultProcesses).value)
    // to raise it takes a privilege; what is lower already is kept
    const nproc = processes ? least(most, (yield* ownLimit(RLIMIT.NPROC)).hard) : undefined
    const both = (resource: number, value: bigint) => ({ resource, soft: value, hard: value })
    return [
      both(RLIMIT.CORE, 0n),
      both(RLIMIT.NOFILE, files),
      ...(fileSize === undefined ? [] : [both(RLIMIT.FSIZE, fileSize)]),
      ...(nproc === undefined ? [] : [both(RLIMIT.NPROC, nproc)])
    ]
  })
