/**
 * How long the fibers of this kernel may run before the event loop gets its turn. While calls are answered at once, fibers
 * never wait. Without this limit, the application's timers and streams would stop for the whole start of a container.
 */
import { monotonic } from "../../monotonic.ts"

/** The length of a turn, in milliseconds. */
const allowance = 5

/** The budget of a kernel. */
export class LoopBudget {
  /** When this turn began; `undefined` before its first call. */
  #start: number | undefined
  /** How many turns have begun. */
  #turn = 0
  /** Fibers that wait for the next turn, the oldest first. */
  readonly #waiting = new Set<() => void>()

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
    this.#waiting.add(go)
    // the fiber may have been suspended since it asked, for longer than the turn; then nothing else starts the next one
    this.#begin()
    return () => void this.#waiting.delete(go)
  }

  /** Calls `go` after all fibers that wait now, or at once if it is no other's turn. Returns a function that cancels it. */
  queue(go: () => void): () => void {
    if (this.#waiting.size > 0 || this.isSpent) return this.defer(go)
    go()
    return () => {}
  }

  /** When this turn began; it begins now if it has not begun. */
  #begin(): number {
    if (this.#start === undefined) {
      this.#start = monotonic()
      this.#turn++
      setImmediate(this.#next)
    }
    return this.#start
  }

  readonly #next = (): void => {
    this.#start = undefined
    if (this.#waiting.size === 0) return
    const start = this.#begin()
    for (const go of this.#waiting) {
      this.#waiting.delete(go)
      go()
      if (monotonic() - start > allowance) break
    }
  }
}
