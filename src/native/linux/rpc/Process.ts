/**
 * A process whose effect runs ahead of it, as far as a journey knows it.
 */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Call, SyscallError } from "../../Kernel.ts"
import type { Scratch } from "../Scratch.ts"
import type { Numbers } from "../syscallNumbers.ts"
import type { Raw } from "../Syscalls.ts"
import type { History } from "./History.ts"
import type { OpenFiles } from "./OpenFiles.ts"

/** What running ahead needs. */
export interface Process {
  /** What is known of its descriptors. */
  files: OpenFiles
  readonly memory: Scratch
  readonly numbers: Numbers
  /** What the processes before it have taught. */
  readonly history: History
  /** A descriptor of its that no effect knows of. */
  readonly link: number | undefined
  /** Whether a filter may refuse, or worse, what the effect has not asked for. */
  readonly isFiltered: boolean
  /** Runs the handler of a call, whose calls are made by `raw`. */
  readonly handle: (call: Call, raw: Raw) => Exit.Exit<unknown, SyscallError>
  /** Has the server make a list; returns how many entries held. */
  readonly make: (address: number, count: number, waits: boolean) => Effect.Effect<number, SyscallError>
}
