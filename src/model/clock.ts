/** The clock of a model machine. Its time passes only if all processes wait, so a sleep of an hour takes no real time. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Makes the clock.
 *
 * @param now returns the nanoseconds since the machine began; its clock begins at 1970
 * @param sleep waits for some nanoseconds, or forever
 */
export const clockOf = (
  now: () => bigint,
  sleep: (nanoseconds: bigint | undefined) => Effect.Effect<void>
): Clock.Clock => {
  const millis = (): number => Number(now() / 1_000_000n)
  return {
    currentTimeMillisUnsafe: millis,
    currentTimeMillis: Effect.sync(millis),
    currentTimeNanosUnsafe: now,
    currentTimeNanos: Effect.sync(now),
    monotonicTimeNanosUnsafe: now,
    monotonicTimeNanos: Effect.sync(now),
    sleep: (duration) => sleep(Duration.isFinite(duration) ? Duration.toNanosUnsafe(duration) : undefined)
  }
}
