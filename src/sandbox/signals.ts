/**
 * Signals to the programs of a sandbox.
 *
 * The first process of a pid namespace gets a signal only if it has a handler for it. The kernel drops the others, except SIGKILL
 * and SIGSTOP: a SIGTERM would not end `sleep`. A program of a sandbox must not notice that it is such a process: if a signal
 * would end any other process, this one is ended, too, and its result names that signal.
 *
 * @see pid_namespaces(7), signal(7), proc_pid_status(5)
 */
import * as Effect from "effect/Effect"
import { SIG } from "../native/constants.ts"
import { readText } from "../native/Files.ts"
import type { AnyPid, AnyPidfd } from "../native/Handle.ts"
import { type Kernel, orOn, sys, type SyscallError } from "../native/Kernel.ts"
import { holdsSignal, type SignalSet } from "../steps/proc/signals.ts"

/** A process to signal. */
export interface Target {
  readonly pid: AnyPid
  readonly pidfd: AnyPidfd
  /** Whether it is the first one of a pid namespace. */
  readonly first: boolean
}

/** Signals that don't end a program without a handler for them: it ignores them, continues, or stops. */
const harmless: ReadonlySet<number> = new Set([
  SIG.CHLD,
  SIG.CONT,
  SIG.STOP,
  SIG.TSTP,
  SIG.TTIN,
  SIG.TTOU,
  SIG.URG,
  SIG.WINCH
])

/** What a process does with a signal. */
interface Attitude {
  /** Whether it has a handler for it, or ignores it. */
  readonly cares: boolean
  /** Whether it blocks it: it waits for it by other means, or gets it later. */
  readonly blocks: boolean
  /** Whether the signal was sent, and has not been delivered yet. */
  readonly isPending: boolean
}

/** Undefined if it has ended, or can't be seen. */
const attitudeOf = (pid: AnyPid, signal: number): Effect.Effect<Attitude | undefined, never, Kernel> =>
  Effect.orElseSucceed(
    Effect.map(readText(`/proc/${pid}/status`), (status) => {
      const has = (...sets: ReadonlyArray<SignalSet>): boolean => holdsSignal(status, signal, ...sets)
      return { cares: has("SigIgn", "SigCgt"), blocks: has("SigBlk"), isPending: has("SigPnd", "ShdPnd") }
    }),
    () => undefined
  )

/** What was sent for a signal, and whether the process blocks it: then it gets it later, or never. */
export interface Sent {
  readonly signal: number
  readonly blocked: boolean
}

const isDeadly = (signal: number): boolean => signal !== 0 && !harmless.has(signal) && signal !== SIG.KILL

/** Sends a signal, and returns which one was sent: SIGKILL if the kernel would drop one that ends any other process. */
export const deliver = ({ first, pid, pidfd }: Target, signal: number): Effect.Effect<Sent, SyscallError, Kernel> =>
  Effect.gen(function*() {
    const attitude = first && isDeadly(signal) ? yield* attitudeOf(pid, signal) : undefined
    const careless = attitude !== undefined && !attitude.cares
    const sent = careless && !attitude.blocks ? SIG.KILL : signal
    return yield* sys.pidfd_send_signal({ pidfd, signal: sent }).pipe(
      orOn(["ESRCH"], undefined),
      Effect.as({ signal: sent, blocked: careless && attitude.blocks })
    )
  })

/** How long the first look waits for the next one, and the longest, in milliseconds. */
const [glance, longest] = [1, 100]

/**
 * Waits for what becomes of a signal that was sent while it was blocked, as a shell blocks all of them while it starts a
 * program. If the process then unblocks it, the kernel drops it; the process that takes it by sigwait(3) has it blocked still.
 *
 * @returns whether it was dropped
 */
export const isDropped = (pid: AnyPid, signal: number): Effect.Effect<boolean, never, Kernel> =>
  Effect.gen(function*() {
    for (let wait = glance;; wait = Math.min(wait * 2, longest)) {
      const attitude = yield* attitudeOf(pid, signal)
      if (attitude?.isPending !== true) return attitude !== undefined && !attitude.cares && !attitude.blocks
      yield* Effect.sleep(wait)
    }
  })
