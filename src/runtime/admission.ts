/**
 * How many starts of containers are on their way at a time; the others wait for one of them to come to its program.
 *
 * One thread of JavaScript makes the steps of all starts, so more of them at a time are not faster: each takes longer. But what a
 * start holds is then there for longer, so a collection of young objects, of which there is one every few starts, finds all of it in
 * use, and copies it into the old generation, where it stays until the whole heap is collected.
 *
 * A start that takes long, because its process is stopped, or because a step waits for something, does not count any more after a
 * while. So none of them holds up the others for long, and a step may start a container itself.
 */
import * as Effect from "effect/Effect"
import { monotonic } from "../native/monotonic.ts"

/** How long a start counts, in milliseconds: some ten times as long as it takes. */
const counts = 200

interface Start {
  /** How many may be on their way when it begins, itself included. */
  readonly most: number
  /** When it began, in milliseconds. */
  since: number
  /** Lets it begin. */
  go: () => void
}

/** Lets starts begin in the order in which they came. */
export class Admission {
  readonly #counts: number
  readonly #now: () => number
  /** Those that are on their way, the oldest first. */
  readonly #begun = new Set<Start>()
  readonly #waiting = new Set<Start>()
  #timer: NodeJS.Timeout | undefined

  /**
   * @param counts how long a start counts, in milliseconds
   * @param now the clock, in milliseconds
   */
  constructor(counts: number, now: () => number = monotonic) {
    this.#counts = counts
    this.#now = now
  }

  /**
   * Runs a start, after a wait for those that came before, if `most` are on their way.
   *
   * @param restore what the wait is made interruptible by
   * @param use gets an Effect that reports that the start is done before `use` is
   */
  admit<A, E, R>(
    restore: (wait: Effect.Effect<void>) => Effect.Effect<void>,
    most: number,
    use: (done: Effect.Effect<void>) => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> {
    return Effect.suspend(() => {
      const start: Start = { most, since: 0, go: () => {} }
      const done = Effect.sync(() => this.#end(start))
      const wait = this.#waiting.size === 0 && this.#left(most) === 0
        ? Effect.sync(() => this.#begin(start))
        : restore(Effect.callback<void>((resume) => {
          start.go = () => resume(Effect.void)
          this.#waiting.add(start)
          this.#look()
        }))
      return Effect.ensuring(Effect.andThen(wait, Effect.suspend(() => use(done))), done)
    })
  }

  #begin(start: Start): void {
    start.since = this.#now()
    this.#begun.add(start)
  }

  #end(start: Start): void {
    this.#begun.delete(start)
    this.#waiting.delete(start)
    // not at once: who has ended continues first
    if (this.#waiting.size > 0) setImmediate(this.#look)
    else clearTimeout(this.#timer)
  }

  /** How long until fewer than `most` count, in milliseconds; 0 if that is so now. */
  #left(most: number): number {
    const now = this.#now()
    for (const start of this.#begun) {
      if (start.since + this.#counts > now) break
      this.#begun.delete(start)
    }
    if (this.#begun.size < most) return 0
    const [oldest] = this.#begun
    return oldest === undefined ? 0 : oldest.since + this.#counts - now
  }

  readonly #look = (): void => {
    clearTimeout(this.#timer)
    for (const start of this.#waiting) {
      const left = this.#left(start.most)
      if (left > 0) {
        this.#timer = setTimeout(this.#look, left)
        return
      }
      this.#waiting.delete(start)
      this.#begin(start)
      start.go()
    }
  }
}

/** The starts of this thread. */
export const starts = /* @__PURE__ */ new Admission(counts)
