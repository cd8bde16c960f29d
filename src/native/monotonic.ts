/**
 * A clock that nobody sets. It is `performance.now()` without its module, which takes a millisecond to load: as long as a
 * hundredth of what a command takes from its first to its last instruction.
 *
 * @see clock_gettime(2) `CLOCK_MONOTONIC`
 */
import process from "node:process"

/** Milliseconds since some moment, with a fraction. */
export const monotonic = (): number => {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}
