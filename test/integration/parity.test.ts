/**
 * The model kernel held to the real one: the same scenarios on both, call by call.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Linux from "../../src/native/Linux.ts"
import { fromHost, ModelKernel } from "../../src/testing/Testing.ts"
import { basics } from "../parity/basics.ts"
import { processes } from "../parity/processes.ts"
import { play, type Scenario } from "../support/parity.ts"

/** By area; each is one file of `test/parity`. */
const areas: Readonly<Record<string, Readonly<Record<string, Scenario>>>> = { basics, processes }

const onModel = (scenario: Scenario) =>
  Effect.suspend(() => Effect.provide(play(scenario), ModelKernel.make(fromHost()).layer))

for (const [area, scenarios] of Object.entries(areas)) {
  describe(`the model kernel does as Linux does: ${area}`, () => {
    for (const [name, scenario] of Object.entries(scenarios)) {
      it.effect(name, () =>
        Effect.gen(function*() {
          const expected = yield* Effect.provide(play(scenario), Linux.layer)
          const actual = yield* onModel(scenario)
          assert.deepStrictEqual(actual, expected)
        }))
    }
  })
}
