import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Json from "../../../src/steps/state/json.ts"

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.bigInt(),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(
      fc.oneof(fc.constantFrom("$bigint", "$object", "a", "__proto__"), fc.string()),
      tie("value"),
      { maxKeys: 2, noNullPrototype: true }
    )
  )
}))

describe("JSON with bigints", () => {
  it("gives back every value", () => {
    fc.assert(fc.property(value, (value) => assert.deepStrictEqual(Json.parse(Json.stringify(value)), value)))
  })

  it("gives back objects that look like its own", () => {
    for (const value of [{ $bigint: "1" }, { $object: { $bigint: "1" } }, { $object: 1 }, { $bigint: 1n }]) {
      assert.deepStrictEqual(Json.parse(Json.stringify(value)), value as unknown)
    }
  })

  it("keeps bigints for which the program has a form of its own", () => {
    Reflect.set(BigInt.prototype, "toJSON", () => "its own")
    try {
      assert.deepStrictEqual(Json.parse(Json.stringify({ a: [1n], b: 2n })), { a: [1n], b: 2n })
    } finally {
      Reflect.deleteProperty(BigInt.prototype, "toJSON")
    }
  })

  it("leaves out what is undefined", () =>
    assert.deepStrictEqual(Json.parse(Json.stringify({ a: undefined, b: 1n })), { b: 1n }))
})
