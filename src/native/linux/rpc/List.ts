/**
 * The list of calls that a journey writes.
 */
import type * as Exit from "effect/Exit"
import { Batch, type Check } from "./Batch.ts"
import { Clock } from "./Clock.ts"
import type { Copy } from "./Copies.ts"
import { mayWait } from "./guesses.ts"
import type { Kept, KeptCheck } from "./Kept.ts"
import { isLast, type Made } from "./Made.ts"
import type { Process } from "./Process.ts"

/** A question in the list: its part, its place, and the answer that was assumed. */
interface Asked {
  readonly part: number
  readonly question: string | undefined
  readonly equals: boolean
}

/** The list, and what is known of its entries. */
export class List {
  readonly #process: Process
  batch: Batch
  /** Where the arguments begin in memory. */
  start: number
  /** Calls that have entries in the list or still lack an answer, in order. */
  made: Array<Made> = []
  /** The parts that did not run: their calls were copied. */
  copies: ReadonlyArray<Copy> = []
  /** The parts that were drafted, for later processes. */
  drafted: ReadonlyArray<{ readonly of: object; readonly kept: Kept; readonly part: number }> = []
  /** When each part began, by the process's clock. */
  readonly clock: Clock
  /** Questions by the number of their entry. */
  readonly #checks = new Map<number, Asked>()

  constructor(process: Process) {
    this.#process = process
    this.clock = new Clock(process)
    const { batch, start } = Batch.at(process.memory)
    this.batch = batch
    this.start = start
  }

  /** Begins a new one: a call's arguments have replaced it, and the process may be a new one with new memory. */
  renew(): void {
    const { batch, start } = Batch.at(this.#process.memory)
    this.batch = batch
    this.start = start
  }

  /** Whether it has no calls but the clock's. */
  get isEmpty(): boolean {
    return this.batch.length === this.clock.marks
  }

  /** Whether one of its calls may wait for another process. */
  get waits(): boolean {
    return this.made.some(({ call }) => isLast(call) || mayWait(call)) || this.copies.some(({ kept }) => kept.waits)
  }

  /** Adds a check of a part's. */
  check(part: number, check: Check, question: string | undefined): void {
    this.#checks.set(this.batch.length, { part, question, equals: check.equals })
    this.batch.check(check)
  }

  asked(entry: number): Asked | undefined {
    return this.#checks.get(entry)
  }

  /** The checks from an entry on, counted from it. */
  checksFrom(first: number): ReadonlyArray<KeptCheck> {
    return [...this.#checks].filter(([entry]) => entry >= first)
      .map(([entry, { equals, question }]) => ({ entry: entry - first, question, equals }))
  }

  /** Adds the calls of an earlier run of a part, with the parameters of this one; returns what they have led to. */
  copy(
    { kept, name, of, part, self }: Omit<Copy, "at" | "first">,
    parameters: ReadonlyArray<string>
  ): Exit.Success<unknown> {
    const { files, memory } = this.#process
    const copy: Copy = { kept, of, part, name, first: this.batch.length, at: memory.used, self }
    this.batch.append(kept.entries, memory.append(kept.data, kept.holes, parameters))
    for (const { entry, equals, question } of kept.checks) {
      this.#checks.set(copy.first + entry, { part: copy.part, question, equals })
    }
    files.change(kept.files)
    this.copies = [...this.copies, copy]
    return kept.exit
  }

  /** Keeps the parts of which all calls have returned what was expected: those before the first that is lost. */
  keep(lost: number): void {
    const { kept } = this.#process
    for (const { kept: one, of, part } of this.drafted) if (part < lost) kept.add(of, one)
    for (const { kept: one, of, part } of this.copies) if (part === lost) kept.drop(of, one)
  }

  clear(): void {
    this.batch.clear()
    this.copies = []
    this.drafted = []
    this.#checks.clear()
    this.clock.clear()
  }
}
