/**
 * What can go wrong with a process that the parent has started, in addition to what the process itself reports.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { CLD, SIG } from "../../native/constants.ts"
import type { AnyPid } from "../../native/Handle.ts"
import type { ChildStatus } from "../../native/results.ts"
import { describeShortage, type Shortage } from "../cgroup/shortage.ts"

/** A start takes less processor time than this, in seconds. RLIMIT_CPU can have killed the init only if it is not higher. */
const shortTime = 1n

/** The init ended without a message: it was killed, or it crashed. Never a success. */
export class InitDied extends Data.TaggedError("InitDied")<{
  /** What the parent waited for. */
  readonly waitingFor: string
  /** How it ended, if that is known. */
  readonly status: ChildStatus | null
  /** The resource that ran out, as its cgroup reports it. */
  readonly shortage?: Shortage
  /** Calls of the start that the configuration's seccomp filter refuses, by the kernel's names. */
  readonly forbidden?: ReadonlyArray<string>
  /** The configured limit of the processor time, in seconds. */
  readonly cpuTime?: { readonly soft: bigint; readonly hard: bigint }
  /** Whether that filter refuses the call by which the program itself is started. */
  readonly refusesExec?: boolean
}> {
  override get message(): string {
    const { shortage, status, waitingFor } = this
    return `the init died before it was ready, while the parent waited for ${waitingFor}: ${describe(status)}` +
      (shortage === undefined ? "" : `; ${describeShortage(shortage)}`)
  }
  get advice(): string {
    const { cpuTime, forbidden = [], refusesExec, shortage, status } = this
    if (shortage !== undefined) {
      return shortage.killed > 0
        ? "the start itself takes some 1 MiB: raise the memory limit (linux.resources.memory.limit, --memory), or leave it out"
        : "raise the limit of processes (linux.resources.pids.limit, --pids-limit), or leave it out"
    }
    const killedBy = status?.code === CLD.EXITED || status === null ? undefined : status.status
    const isOverTime = cpuTime !== undefined &&
      (killedBy === SIG.XCPU || killedBy === SIG.KILL && cpuTime.hard <= shortTime)
    if (isOverTime) {
      return `RLIMIT_CPU (soft ${cpuTime.soft}, hard ${cpuTime.hard}) limits the processor time in seconds, and counts that of ` +
        "the start, too: raise it (process.rlimits, --ulimit cpu=…), or leave it out"
    }
    if (forbidden.length > 0 && killedBy !== SIG.KILL) return seccompAdvice(forbidden)
    if (refusesExec === true && killedBy !== SIG.KILL) return forbiddenExecAdvice
    return killedBy === SIG.KILL
      ? "it was killed from outside: look for the out-of-memory killer in the kernel's log, or for a process that kills it"
      : "look in the kernel's log for what ended it, and try again"
  }
}

/**
 * What to do if a filter refuses the call that starts the program.
 *
 * @since 0.2.0
 */
export const forbiddenExecAdvice =
  "the seccomp filter does not allow execve, which starts the program itself: allow it in " +
  "linux.seccomp"

/**
 * What to do if a filter that is loaded early refuses calls of the start.
 *
 * @since 0.2.0
 */
export const seccompAdvice = (forbidden: ReadonlyArray<string>): string =>
  `the seccomp filter is loaded before the start is over, and does not allow ${forbidden.join(", ")}: allow what is ` +
  "needed of these in linux.seccomp, or set process.noNewPrivileges, with which the filter is loaded last"

const describe = (status: ChildStatus | null): string => {
  if (status === null) return "how it ended is not known"
  if (status.code === CLD.EXITED) return `it exited with status ${status.status}`
  const name = Object.keys(SIG).find((key) => SIG[key as keyof typeof SIG] === status.status)
  return `signal ${name === undefined ? status.status : `SIG${name}`}`
}

/** The init did not answer in time. */
export class InitStuck extends Data.TaggedError("InitStuck")<{
  readonly waitingFor: string
  readonly milliseconds: number
}> {
  override get message(): string {
    return `the init did not answer within ${this.milliseconds} ms; the parent waited for ${this.waitingFor}`
  }
  get advice(): string {
    return "a file system that does not answer, or a frozen cgroup, can block it, and tens of thousands of mounts can take " +
      "that long on a busy machine (with the library, set the option `patience`); the init was killed"
  }
}

/** The channel carried a message that is not allowed there. */
export class ChannelGarbled extends Data.TaggedError("ChannelGarbled")<{
  readonly waitingFor: string
  readonly got: string
}> {
  override get message(): string {
    return `the init sent ${this.got} where the parent waited for ${this.waitingFor}`
  }
  get advice(): string {
    return "a process in the container may write in the init's name (CAP_SYS_PTRACE without a user namespace): the start " +
      "was undone; look for such a process"
  }
}

/**
 * A container that outlives its runtime could not be found again.
 *
 * @since 0.2.0
 */
export class InitUnidentified extends Data.TaggedError("InitUnidentified")<{ readonly pid: AnyPid }> {
  override get message(): string {
    return `/proc does not show process ${this.pid}, the container's first one: no later command could find it`
  }
  get advice(): string {
    return "mount a procfs of this pid namespace, without hidepid, on /proc (unshare has --mount-proc), or run it in the foreground"
  }
}
