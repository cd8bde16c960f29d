import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import { notice, problem } from "../../src/config/ConfigError.ts"
import { tellNotices } from "../../src/runtime/tellNotices.ts"

describe("notices about a configuration", () => {
  it.effect("are told on their level, the first of many one by one", () =>
    Effect.gen(function*() {
      const lines: Array<string> = []
      const logger = Logger.make<unknown, void>(({ logLevel, message }) =>
        void lines.push(`${logLevel}: ${String(message)}`)
      )
      const many = Array.from({ length: 30 }, (_, index) =>
        notice("warning", problem(`a${index}`, undefined, "has none")))
      yield* tellNotices([...many, notice("debug", problem("b", undefined, "has none"))]).pipe(
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "Debug")
      )
      assert.strictEqual(lines.length, 22)
      assert.strictEqual(lines[19], "Warn: a19: has none")
      assert.strictEqual(lines[20], "Warn: and 10 more notices about the configuration")
      assert.strictEqual(lines[21], "Debug: b: has none")
    }))
})
