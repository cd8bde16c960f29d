/**
 * Identifies processes, and sends signals that can't reach another process.
 *
 * The kernel uses pids again. A pid together with a start time identifies a process for good, and a descriptor of the process
 * keeps its identity. So a signal is sent through a descriptor, after the start time was compared.
 *
 * A pid is also only valid in one pid namespace, and `/proc` may show those of another one (`numbers.ts`).
 *
 * @see proc_pid_stat(5), pidfd_open(2)
 * @category procfs
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { AT } from "../../native/constants.ts"
import { using } from "../../native/Files.ts"
import type { AnyPid, AnyPidfd } from "../../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../../native/Kernel.ts"
import { readWholeText } from "../../native/whole.ts"
import { type ProcView, procView, readBelowProc, viewCalls } from "./numbers.ts"

/** The calls that {@link readStat}, {@link identify} and {@link isAlive} make. */
export const statCalls = viewCalls

/** The calls that {@link holdHidden} makes. */
export const holdCalls = ["openat", "read", "close"] as const

/** The calls that {@link signal} makes. */
export const signalCalls = [...statCalls, "pidfd_send_signal"] as const

/** The identity of a process, which no later one has. Plain data. */
export interface ProcessIdentity {
  readonly pid: AnyPid
  /** When it was started, in clock ticks since the boot. */
  readonly startTime: bigint
}

/**
 * A process that `/proc` does not show (hidepid), named so that it can be told from others once it is shown: who has that
 * pid then, and was not started after `heldAt`, had it at that time. Plain data.
 *
 * @since 0.2.0
 */
export interface HiddenProcess {
  readonly pid: AnyPid
  /** A time at which the pid was its own, in clock ticks since the boot. */
  readonly heldAt: bigint
}

/** The fields of `/proc/<pid>/stat` that are needed. */
export interface ProcessStat extends ProcessIdentity {
  /** One letter: R, S, D, T, t, I, Z (zombie), X (dead). */
  readonly state: string
  readonly parent: number
}

/** Reads a line of `/proc/<pid>/stat`; `undefined` if it is not one. */
export const parseStat = (text: string): ProcessStat | undefined => {
  // the second field is the command's name in parentheses, and may hold spaces, parentheses and line breaks itself
  const open = text.indexOf("(")
  const close = text.lastIndexOf(")")
  if (open < 0 || close < open) return undefined
  const fields = text.slice(close + 1).trim().split(" ")
  const [pid, state, parent, startTime] = [text.slice(0, open).trim(), fields[0], fields[1], fields[19]]
  if (!/^\d+$/.test(pid) || !/^[A-Za-z]$/.test(state ?? "")) return undefined
  if (!/^\d+$/.test(parent ?? "") || !/^\d+$/.test(startTime ?? "")) return undefined
  return { pid: Number(pid), state: state!, parent: Number(parent), startTime: BigInt(startTime!) }
}

/** What the kernel reports about a process now; `undefined` if there is none. */
export const readStat = Effect.fnUntraced(function*(
  pid: AnyPid,
  view?: ProcView
): Effect.fn.Return<ProcessStat | undefined, SyscallError, Kernel> {
  const seen = view ?? (yield* procView)
  const text = yield* readBelowProc(pid, "stat", seen)
  const stat = text === undefined ? undefined : parseStat(text)
  if (stat === undefined || seen._tag === "Own") return stat
  // these are numbers of another namespace, of which only the caller's own can be translated
  return { ...stat, pid, parent: seen._tag === "Other" && stat.parent === seen.self ? yield* sys.getpid({}) : 0 }
})

/** The identity of the process that has a pid now; `undefined` if there is none, or if `/proc` does not show it. */
export const identify = Effect.fnUntraced(function*(
  pid: AnyPid,
  view?: ProcView
): Effect.fn.Return<ProcessIdentity | undefined, SyscallError, Kernel> {
  const seen = view ?? (yield* procView)
  if (seen._tag === "None") return undefined
  const stat = yield* readStat(pid, seen)
  return stat === undefined ? undefined : { pid: stat.pid, startTime: stat.startTime }
})

/**
 * The thread of this process that makes calls; `undefined` if that is the main thread, or if `/proc` does not tell.
 *
 * @since 0.2.0
 */
export const ownThread = Effect.fnUntraced(function*(view: ProcView) {
  if (view._tag !== "Own") return undefined
  const path = yield* sys.readlinkat({ dirfd: AT.FDCWD, path: "/proc/thread-self" }).pipe(orOn(["ENOENT"], ""))
  const [, pid, thread] = /^(\d+)\/task\/(\d+)$/.exec(path) ?? []
  return thread === undefined || thread === pid ? undefined : yield* identify(Number(thread), view)
})

/** The time since the boot in clock ticks, which is what `/proc/<pid>/stat` counts in; `undefined` if `/proc` can't tell. */
const ticksNow: Effect.Effect<bigint | undefined, SyscallError, Kernel> = readWholeText("/proc/uptime").pipe(
  Effect.map((text) => {
    const found = /^(\d+)\.(\d\d) /.exec(text)
    return found === null ? undefined : BigInt(`${found[1]}${found[2]}`)
  }),
  // a procfs with subset=pid has no such file
  orOn(["ENOENT", "ENOTDIR", "EACCES"], undefined)
)

/**
 * A child that was not reaped, so that its pid is its own, for the time in which `/proc` hides it; `undefined` if `/proc`
 * can't tell the time.
 *
 * @since 0.2.0
 */
export const holdHidden = (pid: AnyPid): Effect.Effect<HiddenProcess | undefined, SyscallError, Kernel> =>
  Effect.map(ticksNow, (heldAt) => heldAt === undefined ? undefined : { pid, heldAt })

/** Whether a process has ended, although it may still be a zombie. */
export const hasEnded = ({ state }: ProcessStat): boolean => state === "Z" || state === "X" || state === "x"

/** Whether a process is still the same one, and has not ended. A zombie has ended. */
export const isAlive = (process: ProcessIdentity, view?: ProcView): Effect.Effect<boolean, SyscallError, Kernel> =>
  Effect.map(
    readStat(process.pid, view),
    (stat) => stat !== undefined && stat.startTime === process.startTime && !hasEnded(stat)
  )

/** A descriptor of the process that has a pid now; `undefined` if there is none. */
export const openProcess = (pid: AnyPid): Effect.Effect<number | undefined, SyscallError, Kernel> =>
  // EINVAL: the pid is a thread's, no process's, by now
  sys.pidfd_open({ pid, flags: 0 }).pipe(orOn(["ESRCH", "EINVAL"], undefined))

/** Sends a signal through a descriptor; `false` if the process has ended. */
export const signalThrough = (pidfd: AnyPidfd, signal: number): Effect.Effect<boolean, SyscallError, Kernel> =>
  Effect.as(sys.pidfd_send_signal({ pidfd, signal }), true).pipe(
    orOn(["ESRCH"], false)
  )

/** Sends a signal to a process, and never to another one that has its pid by now; `false` if it has ended. */
export const signal = Effect.fnUntraced(
  function*(process: ProcessIdentity, signal: number): Effect.fn.Return<boolean, SyscallError, Kernel> {
    const pidfd = yield* openProcess(process.pid)
    if (pidfd === undefined) return false
    return yield* using(Effect.succeed(pidfd), () =>
      // the descriptor is opened before the comparison, so that the compared process is the one that gets the signal
      Effect.flatMap(isAlive(process), (alive) => alive ? signalThrough(pidfd, signal) : Effect.succeed(false)))
  }
)
