/**
 * Two processors for a thread and the server that makes its calls.
 *
 * Where the scheduler has put both on one, it may leave them there for many milliseconds while another one is idle: each of
 * them ran a moment ago, and so counts as better off where it is. A call then takes two changes of process. So the server
 * is moved: it gives this thread's processor up for a moment.
 *
 * What sched_setaffinity(2) is given stays with a process, whatever becomes of its cpuset. So this is done only where
 * nothing keeps the server from any processor, and ends with a set of all that there could ever be, which says the same.
 */
import { readFileSync } from "node:fs"
import type { Numbers } from "../../syscalls.ts"
import type { Block } from "../Scratch.ts"

/** Answers, one after the other, for which this side had to give way, until that is taken for the scheduler's doing. */
const enough = 8
/** Such answers until a server that was moved is moved again. */
const again = 100

/** Bytes of a set of processors: 1,024 of them, as the C library has it. */
export const setSize = 128

let processors: number | undefined

/** How many processors are online; 0 where that can't be told. */
const online = (): number => processors ??= countOnline()

const countOnline = (): number => {
  try {
    const ranges = readFileSync("/sys/devices/system/cpu/online", "utf8").trim().split(",")
    return ranges.reduce((sum, range) => {
      const [first, last = first] = range.split("-").map(Number)
      return sum + last! - first! + 1
    }, 0)
  } catch {
    // without sysfs everything works, only slower
    return 0
  }
}

/** For the server of one seat. */
export class Apart {
  readonly #numbers: Numbers
  readonly #processor: () => number
  #together = 0

  /** @param processor the one that this thread runs on */
  constructor(numbers: Numbers, processor: () => number) {
    this.#numbers = numbers
    this.#processor = processor
  }

  /** Another server has come. */
  forget(): void {
    this.#together = 0
  }

  /** An answer has come. */
  count(together: boolean): void {
    this.#together = together ? this.#together + 1 : Math.min(this.#together, 0)
  }

  /** Whether it is time to move the server. */
  get isDue(): boolean {
    return this.#together >= enough
  }

  /**
   * Moves the server.
   *
   * @param set of {@link setSize} bytes
   * @param call makes a call in the server
   */
  move(set: Block, call: (number: number, pid: number, size: number, address: number) => number): void {
    this.#together = enough - again
    const size = call(this.#numbers.sched_getaffinity, 0, setSize, set.address)
    if (size <= 0 || set.bits(size).length !== online()) return
    const all = new Uint8Array(setSize).fill(0xff)
    const others = all.slice()
    const here = this.#processor()
    others[here >> 3]! &= ~(1 << (here & 7))
    const allow = (processors: Uint8Array): number => {
      set.setBytes(0, processors)
      return call(this.#numbers.sched_setaffinity, 0, setSize, set.address)
    }
    if (allow(others) < 0) return
    const failure = allow(all)
    // a program that may not use what it is meant to is worse than none
    if (failure < 0) throw new Error(`sched_setaffinity(0, all processors) of a child failed with errno ${-failure}`)
  }
}
