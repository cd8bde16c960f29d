/** Tells what of a configuration has no effect. */
import * as Effect from "effect/Effect"
import { mostListed, type Notice, render } from "../config/ConfigError.ts"

/**
 * Prints which settings of a configuration have no effect, on the level that the decoder has chosen. Of many the first
 * ones are printed, and the rest is counted.
 */
export const tellNotices = (notices: ReadonlyArray<Notice>): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (const level of ["warning", "debug"] as const) {
      const log = level === "warning" ? Effect.logWarning : Effect.logDebug
      const found = notices.filter((one) => one.level === level)
      for (const one of found.slice(0, mostListed)) yield* log(render(one))
      const more = found.length - mostListed
      if (more > 0) yield* log(`and ${more} more parts of the configuration without effect`)
    }
  })
