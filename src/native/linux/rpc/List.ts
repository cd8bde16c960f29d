/**
 * The list of calls that a journey writes.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { SyscallError } from "../../Kernel.ts"
import type { Batch, Check } from "./Batch.ts"
import { Clock } from "./Clock.ts"
import { type Copy, countOf } from "./Copies.ts"
import { mayWait, room } from "./guesses.ts"
import type { Kept } from "./Kept.ts"
import { sizes } from "./layout.ts"
import { isLast, type Made } from "./Made.ts"
import type { Process } from "./Process.ts"

/** A question in the list: its part, its place, and the answer that was assumed. */
interface Asked {
  readonly part: number
  readonly question: string | undefined
  readonly equals: boolean
}

/**
 * How many entries a list has at most, besides those that were copied. All calls of a default container between two that must
 * be made by themselves fit into one list, so that it is handed over once. If a guess is wrong, the steps of a longer list have
 * run for longer in vain.
 */
const usual = 1024

/** How many entries a call has at most: an exchange on a socket. */
const margin = 16

/** The list, and what is known of its entries. */
export class List {
  readonly #process: Process
  batch: Batch
  /** How many of its entries were copied. */
  #copied = 0
  /** How many of its entries the process has been given already. */
  #sent = 0
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
    this.batch = process.batch
    this.renew()
  }

  /** Begins a new one: a call's arguments are in the memory, and the process may be a new one with new memory. */
  renew(): void {
    this.batch = this.#process.batch
    this.batch.clear()
    this.#process.memory.reset()
  }

  /**
   * Whether it must be handed over before the next call. One that is drafted may be as long as there is room for it: it can only
   * be kept as a whole, and if a guess is wrong, the step is not drafted when it runs again.
   */
  get isFull(): boolean {
    const { isDrafted, isRewound, length, most } = this.batch
    if (isRewound) return false
    const { room: left, used } = this.#process.memory
    return length > most - margin || !isDrafted && length - this.#copied > usual - margin || left < room && used > 0
  }

  /** Whether a part can be copied to it, with one more entry, and the arguments of the largest calls after it. */
  hasRoom(kept: Kept): boolean {
    const { length, most } = this.batch
    return length + countOf(kept) + 1 <= most - margin && this.#process.memory.room - kept.data.length >= 2 * room
  }

  /** Whether it has no calls but the clock's. */
  get isEmpty(): boolean {
    return this.batch.length === this.clock.marks
  }

  /** Whether one of its calls may wait for another process. */
  get waits(): boolean {
    return this.made.some(({ call }) => isLast(call) || mayWait(call)) || this.copies.some(({ kept }) => kept.waits)
  }

  /** Adds a check of a part's. Returns whether there was room for it, and for the clock behind it: a call may have many. */
  check(part: number, check: Check, question: string | undefined): boolean {
    if (this.batch.length > this.batch.most - 2) return false
    this.#checks.set(this.batch.length, { part, question, equals: check.equals })
    this.batch.check(check)
    return true
  }

  /** The question of an entry, if it is a check of a part that ran. */
  asked(entry: number): Asked | undefined {
    return this.#checks.get(entry)
  }

  /** Adds the calls of an earlier run of a part, with the parameters of this one; returns what they have led to. */
  copy(
    { kept, name, of, part, self }: Omit<Copy, "at" | "first">,
    parameters: ReadonlyArray<string>
  ): Exit.Success<unknown> {
    const { files, memory } = this.#process
    const copy: Copy = { kept, of, part, name, first: this.batch.length, at: memory.used, self }
    this.batch.append(kept.entries, memory.append(kept.data, kept.holes, parameters))
    this.#copied += countOf(kept)
    files.change(kept.files)
    this.copies = [...this.copies, copy]
    return kept.exit
  }

  /** Has the process begin with what is there, if it has not begun already; returns whether it has. */
  send(): boolean {
    const { address, isDrafted, isRewound, length } = this.batch
    if (this.#sent > 0 || isDrafted || isRewound) return false
    this.#sent = length
    this.#process.send(address, length)
    return true
  }

  /**
   * Has all entries made; returns how many were as expected, or `undefined` if the process has ended, or has become a program,
   * before it answered.
   */
  make(): Effect.Effect<number | undefined, SyscallError> {
    const { batch: { address, length }, waits } = this
    const sent = this.#sent
    this.#sent = 0
    if (sent === 0) return this.#process.make(address, length, waits)
    return Effect.flatMap(this.#process.sent, (said) => {
      if (said !== sent) return Effect.succeed(said === undefined ? said : Math.min(said, sent - 1))
      if (sent === length) return Effect.succeed(said)
      const rest = this.#process.make(address + sent * sizes.entry, length - sent, waits)
      return Effect.map(rest, (said) => said === undefined || said < 0 ? said : sent + said)
    })
  }

  /** Keeps the parts of which all calls have returned what was expected: those before the first that is lost. */
  keep(lost: number): void {
    for (const { kept, of, part } of this.drafted) if (part < lost) this.#process.kept.add(of, kept)
  }

  clear(): void {
    this.batch.clear()
    this.#copied = 0
    this.#sent = 0
    this.copies = []
    this.drafted = []
    this.#checks.clear()
    this.clock.clear()
  }
}
