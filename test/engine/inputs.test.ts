/** What a deterministic step reads of its facts, and whether another container has the same. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { inputsOf, watching } from "../../src/engine/inputs.ts"
import * as Step from "../../src/engine/Step.ts"
import * as Ahead from "../../src/native/Ahead.ts"

interface Facts {
  readonly id?: unknown
  readonly deep?: { readonly [name: string]: unknown }
}

class Given extends Context.Service<Given, Facts>()("test/Given") {}

/** Whether a step's run with some facts stands for those with others; `undefined` if the run is not kept. */
const isSame = (read: (facts: Facts) => unknown, given: Facts, other: Facts): boolean | undefined => {
  const step = Step.make("reading", {
    doc: "",
    calls: [],
    requires: [Given],
    reversal: "harmless",
    deterministic: true,
    run: Effect.asVoid(Given)
  })
  const { context, keeping } = watching(step, Context.make(Given, given) as Context.Context<never>)
  const known = keeping.known(read(Context.get(context as Context.Context<Given>, Given)))
  if (known === undefined) return undefined
  return inputsOf(step, Context.make(Given, other) as Context.Context<never>).match(known.inputs) !== undefined
}

describe("the inputs of a step", () => {
  it("have only what was read", () => {
    assert.isTrue(isSame(({ deep }) => deep!["a"], { id: 1, deep: { a: [1], b: 2 } }, { id: 2, deep: { a: [1] } }))
    assert.isFalse(isSame(({ deep }) => deep!["a"], { deep: { a: [1] } }, { deep: { a: [2] } }))
  })

  it("have whether an object is there, though none of its fields was read", () => {
    for (const other of [undefined, null, 0, "text", ["list"], new Date(0)]) {
      assert.isFalse(isSame(({ deep }) => deep === undefined, { deep: {} }, { deep: other as never }), String(other))
    }
    assert.isTrue(isSame(({ deep }) => deep === undefined, { deep: { a: 1 } }, { deep: {} }))
    assert.isFalse(isSame(({ deep }) => deep === undefined, {}, { deep: {} }))
    assert.isFalse(isSame(({ deep }) => deep!["a"], { deep: {} }, {}))
  })

  it("have what was absent, however a step has asked for it", () => {
    const asks: ReadonlyArray<(facts: Facts) => unknown> = [
      (facts) => facts.id,
      (facts) => "id" in facts,
      (facts) => Object.hasOwn(facts, "id"),
      (facts) => Object.keys(facts).length,
      (facts) => ({ ...facts }).id === undefined,
      (facts) => JSON.stringify(facts)
    ]
    for (const ask of asks) {
      assert.isFalse(isSame(ask, {}, { id: 1 }), String(ask))
      assert.isTrue(isSame(ask, {}, {}), String(ask))
    }
  })

  it("are not known if the result has what belongs to one container", () => {
    assert.isUndefined(isSame((facts) => facts.deep, { deep: {} }, { deep: {} }))
    assert.isUndefined(isSame((facts) => [() => facts.id], { id: 1 }, { id: 1 }))
  })
})

describe("a parameter", () => {
  it("is in no result that is copied, as a whole or in part", () => {
    const step = Step.make("reading", { doc: "", calls: [], requires: [Given], reversal: "harmless", run: Effect.void })
    const { context, keeping } = watching(step, Context.make(Given, { id: "/own" }) as Context.Context<never>)
    const read = Ahead.parameter(Given, ({ id }) => id as string)
    assert.strictEqual(Effect.runSync(Effect.provideContext(read, context as Context.Context<Given>)), "/own")
    assert.deepStrictEqual(keeping.parameters, ["/own"])
    assert.isDefined(keeping.known(["another"]))
    assert.isUndefined(keeping.known("/own"))
    assert.isUndefined(keeping.known({ paths: ["/own/below"] }))
  })
})
