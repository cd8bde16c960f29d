/**
 * How long the fibers of this kernel may run before the event loop gets its turn. While calls are answered at once, fibers
 * never wait. Without this limit, the application's timers and streams would stop for the whole start of a container.
 *
 * The time is elapsed time, not CPU time: a timer also has to wait while this thread waits for a processor. So beside busy
 * processes less is done in a turn. A further turn costs some microseconds.
 *
 * A turn ends with the loop's immediates. Each round of the loop begins with the timers; then come the descriptors, and last
 * the immediates. A turn that has begun in the same round, and was used, is followed by a round in which no fiber runs before
 * the immediates: otherwise two turns would come after each other, with no timer between them.
 *
 * @see https://nodejs.org/en/learn/asynchronous-work/event-loop-timers-and-nexttick
 */
import { monotonic } from "../../monotonic.ts"

/** The length of a turn, in milliseconds. */
const allowance = 5

/** The budget of a kernel. */
export class LoopBudget {
  /** When this turn began; `undefined` before its first call. */
  #start: number | undefined
  /** Whether it began elsewhere than among the immediates that end it. */
  #isEarly = false
  /** How many turns have begun. */
  #turn = 0
  /** Fibers that wait for the next turn, the oldest first. */
  #waiting: Array<() => void> = []

  /** A number that each turn has for itself. */
  get turn(): number {
    this.#begin()
    return this.#turn
  }

  /** Whether it is the event loop's turn. */
  get isSpent(): boolean {
    return monotonic() - this.#begin() > allowance
  }

  /** Calls `go` in the next turn, or a later one. Returns a function that cancels it. */
  defer(go: () => void): () => void {
    this.#waiting.push(go)
    // the fiber may have been suspended since it asked, for longer than the turn; then nothing else starts the next one
    this.#begin()
    return () => {
      this.#waiting = this.#waiting.filter((one) => one !== go)
    }
  }

  /** Calls `go` after all fibers that wait now, or at once if it is no other's turn. Returns a function that cancels it. */
  queue(go: () => void): () => void {
    if (this.#waiting.length > 0 || this.isSpent) return this.defer(go)
    go()
    return () => {}
  }

  /** When this turn began; it begins now if it has not begun. */
  #begin(): number {
    if (this.#start === undefined) {
      this.#start = monotonic()
      this.#isEarly = true
      this.#turn++
      setImmediate(this.#next)
    }
    return this.#start
  }

  /** Comes with the immediates of the event loop, which come after its timers and its descriptors. */
  readonly #next = (): void => {
    if (this.#isEarly && (this.#waiting.length > 0 || monotonic() - this.#begin() > allowance / 2)) {
      // the timers have not come since this turn began
      this.#isEarly = false
      this.#start = -Infinity
      this.#turn++
      setImmediate(this.#next)
      return
    }
    this.#start = undefined
    if (this.#waiting.length === 0) return
    const start = this.#begin()
    this.#isEarly = false
    // not a set: one that becomes empty gets a new table each time, which only a collection of the whole heap frees
    for (let go = this.#waiting.shift(); go !== undefined; go = this.#waiting.shift()) {
      go()
      if (monotonic() - start > allowance) break
    }
  }
}
