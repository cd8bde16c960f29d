/**
 * When the parts of a journey began. The process notes the times among its other calls, and this side reads them later, all
 * at once.
 */
import type { Times } from "../../Ahead.ts"
import type { Block } from "../Block.ts"
import type { Scratch } from "../Scratch.ts"
import type { Numbers } from "../syscallNumbers.ts"
import type { Batch } from "./Batch.ts"

/** `CLOCK_MONOTONIC` */
const monotonic = 1
/** `sizeof(struct timespec)` */
const timespecSize = 16

/** A note in the list. */
interface Mark {
  readonly part: number
  readonly entry: number
  readonly time: Block
}

/** The times of one journey. */
export class Clock {
  readonly #process: { readonly memory: Scratch; readonly numbers: Numbers; readonly isFiltered: boolean }
  /** Times by part, in milliseconds. */
  readonly #times = new Map<number, number>()
  #marks: Array<Mark> = []

  constructor(process: { readonly memory: Scratch; readonly numbers: Numbers; readonly isFiltered: boolean }) {
    this.#process = process
  }

  /** How many notes are in the list. */
  get marks(): number {
    return this.#marks.length
  }

  /** Has the process note when a part begins. If it begins again, the first time counts. */
  mark(part: number, batch: Batch): void {
    const { isFiltered, memory, numbers } = this.#process
    if (isFiltered || this.#times.has(part)) return
    const time = memory.block(timespecSize)
    // by which it is seen whether the process has come so far
    time.setU32(0, 0)
    time.setU32(8, 0)
    this.#marks.push({ part, entry: batch.length, time })
    batch.call(numbers.clock_gettime, monotonic, time.address, 0, 0, 0, 0, "anything")
  }

  /** Reads the notes among the entries of the list that were made. */
  take(count: number): void {
    for (const { entry, part, time } of this.#marks) {
      if (entry >= count) continue
      // seconds since the machine started, and nanoseconds; the lower half of each is enough
      this.#times.set(part, time.u32(0) * 1e3 + time.u32(8) / 1e6)
    }
  }

  /** Reads the notes of a process that ended amid the list; returns the last part that it began, if there is one. */
  reached(): number | undefined {
    const last = this.#marks.findLast(({ time }) => time.u32(0) !== 0 || time.u32(8) !== 0)
    if (last !== undefined) this.take(last.entry + 1)
    return last?.part
  }

  clear(): void {
    this.#marks = []
  }

  /** When a part began and ended, if the process has noted it. */
  between(part: number): Times | undefined {
    const [began, ended] = [this.#times.get(part), this.#times.get(part + 1)]
    return began === undefined || ended === undefined || !(ended >= began) ? undefined : { began, ended }
  }
}
