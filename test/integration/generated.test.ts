/**
 * The model kernel held to the real one by scenarios that nobody thought of: random sequences of calls, shrunk where the two
 * differ.
 *
 * `RUNFX_SEED` chooses the sequences, `RUNFX_RUNS` how many there are; `RUNFX_AREA` one area of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { afterAll } from "vitest"
import { compare, type Outcome, render } from "../support/differences.ts"
import { areas } from "../support/generated.ts"

const seed = Number(process.env["RUNFX_SEED"] ?? 1)
const runs = Number(process.env["RUNFX_RUNS"] ?? 3100)
const only = process.env["RUNFX_AREA"]
const shares = Object.values(areas).reduce((sum, { share }) => sum + share, 0)

describe("the model kernel does as Linux does, whatever comes", () => {
  const outcomes: Array<Outcome> = []
  for (const [area, { sequences, share }] of Object.entries(areas)) {
    it.effect.skipIf(only !== undefined && area !== only)(`sequences of ${area}`, () =>
      Effect.gen(function*() {
        const some = only === undefined ? Math.ceil(runs * share / shares) : runs
        const outcome = yield* compare(sequences, { runs: some, seed })
        outcomes.push(outcome)
        assert.strictEqual(outcome.differences.map(render).join("\n\n"), "")
        assert.isBelow(outcome.unmodelled.length / outcome.sequences, 0.1, "the share that the model declines")
      }))
  }
  afterAll(() => {
    const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((all, one) => all + of(one), 0)
    process.stdout.write(
      `generated: ${sum((one) => one.sequences)} sequences, ${sum((one) => one.calls)} calls, ${
        sum((one) => one.unmodelled.length)
      } skipped as unmodelled, ${sum((one) => one.differences.length)} differences left\n`
    )
  })
})
