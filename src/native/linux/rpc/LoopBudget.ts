/**
 * How long the fibers of this kernel may run before the event loop has its turn. If calls are answered at once, fibers never
 * wait: without this limit, the timers and streams of the application would stand still during the whole start.
 */
import { performance } from "node:perf_hooks"

/** Milliseconds of a turn. */
const allowance = 5

/** One for a kernel. */
export class LoopBudget {
  /** When the first of this turn began; unknown if nobody has. */
  #start: number | undefined
  /** Those for which there was no time left, the oldest first. */
  readonly #waiting = new Set<() => void>()

  /** Whether the event loop is to have its turn. */
  get isSpent(): boolean {
    return performance.now() - this.#begin() > allowance
  }

  /** Continues at the next turn, or one after that. Returns what cancels it. */
  defer(go: () => void): () => void {
    this.#waiting.add(go)
    // the fiber may have been suspended since it asked, for longer than the turn: then no next one is due
    this.#begin()
    return () => void this.#waiting.delete(go)
  }

  /** When this turn began; it begins now if nobody has begun it. */
  #begin(): number {
    if (this.#start === undefined) {
      this.#start = performance.now()
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
      if (performance.now() - start > allowance) break
    }
  }
}
