/** Waiting for what comes about by itself: as long as a busy machine may need for it, and by a clock that no test replaces. */
import * as Effect from "effect/Effect"
import { setTimeout as sleep } from "node:timers/promises"

/** How long a wait may take, in milliseconds: what has not come about by then never does. */
const bound = 600_000

/** How long to wait before asking again, in milliseconds. */
const interval = 5

const overdue = (since: number): Error | undefined =>
  performance.now() - since > bound ? new Error(`it did not come about within ${bound / 1000} s`) : undefined

/** Waits until something holds. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  const since = performance.now()
  while (!(await holds())) {
    const error = overdue(since)
    if (error !== undefined) throw error
    await sleep(interval)
  }
}

const pause = Effect.callback<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), interval)
  return Effect.sync(() => clearTimeout(timer))
})

/** Waits until something holds, as a part of an Effect: if that is interrupted, nobody asks any more. */
export const eventually = <E = never, R = never>(
  holds: (() => boolean) | Effect.Effect<boolean, E, R>
): Effect.Effect<void, E, R> =>
  Effect.gen(function*() {
    const asked = typeof holds === "function" ? Effect.sync(holds) : holds
    const since = performance.now()
    while (!(yield* asked)) {
      const error = overdue(since)
      if (error !== undefined) return yield* Effect.die(error)
      yield* pause
    }
  })
