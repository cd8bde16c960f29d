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
    const now = performance.now()
    if (this.#start === undefined) {
      this.#start = now
      setImmediate(this.#next)
    }
    return now - this.#start > allowance
  }

  /** Continues at the next turn, or one after that. Returns what cancels it. */
  defer(go: () => void): () => void {
    this.#waiting.add(go)
    return () => void this.#waiting.delete(go)
  }

  readonly #next = (): void => {
    this.#start = undefined
    if (this.#waiting.size === 0) return
    this.#start = performance.now()
    setImmediate(this.#next)
    for (const go of this.#waiting) {
      this.#waiting.delete(go)
      go()
      if (performance.now() - this.#start > allowance) break
    }
  }
}
