/**
 * What a journey knows of the process that its effect runs ahead of.
 */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Call, SyscallError } from "../../Kernel.ts"
import type { Scratch } from "../Scratch.ts"
import type { Numbers } from "../syscallNumbers.ts"
import type { Raw } from "../Syscalls.ts"
import type { Batch } from "./Batch.ts"
import type { History } from "./History.ts"
import type { KeptParts } from "./Kept.ts"
import type { OpenFiles } from "./OpenFiles.ts"

/** The process. */
export interface Process {
  /** Its descriptors, as far as they are known. */
  files: OpenFiles
  readonly memory: Scratch
  /** Its list of calls. */
  readonly batch: Batch
  readonly numbers: Numbers
  /** What was learned from earlier processes. */
  readonly history: History
  /** Calls that were made for earlier processes. */
  readonly kept: KeptParts
  /** Its descriptor of the link, which effects do not know of. */
  readonly link: number | undefined
  /** Whether a filter may refuse, or kill the process for, calls that the effect has not asked for. */
  readonly isFiltered: boolean
  /** Whether its server is still the one that it began with. */
  readonly isServed: boolean
  /** Whether a fiber waits for its answer. */
  readonly isBusy: boolean
  /** Waits until it has left the call of a fiber that was interrupted, which may still write to its memory. */
  readonly idle: Effect.Effect<void>
  /** Runs the handler of a call with the system calls of `raw`. */
  readonly handle: (call: Call, raw: Raw) => Exit.Exit<unknown, SyscallError>
  /**
   * Has the server make a list; returns how many entries were as expected, or `undefined` if it has ended, or has become a
   * program, before it answered.
   */
  readonly make: (address: number, count: number, waits: boolean) => Effect.Effect<number | undefined, SyscallError>
  /** Has the server begin with a list while the effect continues. {@link Process.sent} must be awaited before the next one. */
  readonly send: (address: number, count: number) => void
  /** The answer to what was sent: as that of {@link Process.make}. */
  readonly sent: Effect.Effect<number | undefined, SyscallError>
  /** Frees what was shared with a server that has gone; its effect never continues. */
  readonly leave: Effect.Effect<never>
}
