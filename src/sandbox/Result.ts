/**
 * How a program of a sandbox has ended, and what it has used.
 *
 * @category results
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { nameOf } from "../config/signals.ts"
import type { Event } from "../engine/Events.ts"
import { given } from "../engine/given.ts"
import { CLD, SIG } from "../native/constants.ts"
import type { Ended } from "../runtime/program.ts"
import type { Connection } from "./network/Connection.ts"
import { now } from "./now.ts"
import type { Program } from "./start.ts"

/**
 * What a sandbox has used. A cgroup counts all of its processes. Without one, the kernel counts the program, and what it has
 * waited for, directly or by others, but not what still ran at its end. What can't be known is absent.
 */
export interface Usage {
  /** Time of processors, in milliseconds. */
  readonly cpu?: number
  /**
   * The most memory at one time, in bytes: of all together, with what they wrote to a tmpfs. Without a cgroup, and for a
   * further program, that of the one process that had most (RSS).
   */
  readonly maxMemory?: number
  /** Bytes that went from and to disks. */
  readonly io?: { readonly read: number; readonly written: number }
  /** The most processes and threads at one time. Takes a cgroup, and Linux 6.1 (6.12 for cgroup v1). */
  readonly processes?: number
}

/** In milliseconds. */
export interface Durations {
  /** Until the program ran. */
  readonly start: number
  /** From then on until it had ended, and, for the first program of a sandbox, all of the sandbox was removed. */
  readonly run: number
}

/** How a program has ended. */
export interface Exit {
  /** Its exit status; `null` if a signal has ended it. */
  readonly exitCode: number | null
  /** The signal that has ended it, as `"SIGKILL"`; `null` if it has ended by itself. */
  readonly signal: string | null
  /** Whether it was ended because its time was over. */
  readonly timedOut: boolean
  /** Whether the kernel has ended the program, or one of its processes, since its memory was used up. */
  readonly outOfMemory: boolean
  readonly durations: Durations
  readonly usage: Usage
  /** What its programs have asked of the network, if there is a list of hosts: the last thousand. */
  readonly connections: ReadonlyArray<Connection>
  /** What its start did, with times. */
  readonly events: ReadonlyArray<Event>
}

const sum = (entries: ReadonlyArray<{ readonly op: string; readonly value: bigint }>, op: string): number =>
  Number(entries.filter((entry) => entry.op === op).reduce((all, { value }) => all + value, 0n))

type Io = Usage["io"]

const ioOf = ({ usage, used }: Ended): Io => {
  const { blkio } = used ?? {}
  if (blkio !== undefined) return { read: sum(blkio.serviceBytes, "Read"), written: sum(blkio.serviceBytes, "Write") }
  return usage === undefined ? undefined : { read: Number(usage.read), written: Number(usage.written) }
}

const usageOf = (ended: Ended): Usage => {
  const { usage, used } = ended
  const nanoseconds = used?.cpu?.usage ?? usage?.cpu
  const size = (bytes: bigint | undefined) => bytes === undefined ? undefined : Number(bytes)
  return given({
    cpu: nanoseconds === undefined ? undefined : Number(nanoseconds / 1000n) / 1000,
    maxMemory: size(used?.memory?.maxUsage ?? usage?.maxMemory),
    io: ioOf(ended),
    processes: size(used?.pids?.peak)
  })
}

/** The end of a program in the words of a sandbox. */
export const exitOf = (
  program: Pick<Program, "times" | "endedBy" | "connections">,
  ended: Ended,
  timedOut: boolean
): Effect.Effect<Exit> => Effect.map(now, (end) => exitAt(end, program, ended, timedOut))

const exitAt = (
  end: number,
  program: Pick<Program, "times" | "endedBy" | "connections">,
  ended: Ended,
  timedOut: boolean
): Exit => {
  const { code, status } = ended.status
  const exited = code === CLD.EXITED
  const signal = status === SIG.KILL ? program.endedBy() ?? status : status
  const { asked, running } = program.times
  return {
    exitCode: exited ? status : null,
    signal: exited ? null : nameOf(signal),
    timedOut: timedOut && !exited && status === SIG.KILL,
    outOfMemory: (ended.shortage?.killed ?? 0) > 0,
    durations: { start: running - asked, run: end - running },
    usage: usageOf(ended),
    connections: [...program.connections],
    events: ended.events
  }
}
