/** Reports the notices about a configuration: settings that have no effect, and what was added. */
import * as Effect from "effect/Effect"
import { mostListed, type Notice, render } from "../config/ConfigError.ts"

/**
 * Prints each notice on the level that the decoder has chosen. If there are many, it prints the first ones, and counts the rest.
 */
export const tellNotices = (notices: ReadonlyArray<Notice>): Effect.Effect<void> =>
  Effect.gen(function*() {
    for (const level of ["warning", "debug"] as const) {
      const log = level === "warning" ? Effect.logWarning : Effect.logDebug
      const found = notices.filter((one) => one.level === level)
      for (const one of found.slice(0, mostListed)) yield* log(render(one))
      const more = found.length - mostListed
      if (more > 0) yield* log(`and ${more} more notices about the configuration`)
    }
  })
