/** The time by which starts and runs are measured. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

/** Milliseconds since some moment; never set back. */
export const now: Effect.Effect<number> = Effect.map(Clock.monotonicTimeNanos, (time) => Number(time) / 1e6)
