/**
 * What can go wrong with a process that the parent has started, beside what the process itself reports.
 */
import * as Data from "effect/Data"
import type { ChildStatus } from "../../native/calls.ts"
import { CLD, SIG } from "../../native/constants.ts"

/** The init ended without a word: it was killed, or it crashed. Never a success. */
export class InitDied extends Data.TaggedError("InitDied")<{
  /** What the parent waited for. */
  readonly waitingFor: string
  /** How it ended, where that could be learned. */
  readonly status: ChildStatus | null
}> {
  override get message(): string {
    return `the init died before it was ready, while the parent waited for ${this.waitingFor}: ${describe(this.status)}`
  }
  get advice(): string | undefined {
    return this.status?.code === CLD.KILLED && this.status.status === SIG.KILL
      ? "it was killed from outside: look for the out-of-memory killer in the kernel's log, and at the memory and pids limits"
      : undefined
  }
}

const describe = (status: ChildStatus | null): string => {
  if (status === null) return "its end could not be learned"
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
    return "a mount of a file system that does not answer, or a frozen cgroup, can hold it; the init was killed"
  }
}

/** The channel carried something that it may not. */
export class ChannelGarbled extends Data.TaggedError("ChannelGarbled")<{
  readonly waitingFor: string
  readonly got: string
}> {
  override get message(): string {
    return `the init sent ${this.got} where the parent waited for ${this.waitingFor}`
  }
}
