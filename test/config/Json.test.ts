import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { longestDocument, parse, parseDocument } from "../../src/config/Json.ts"

describe("JSON", () => {
  it("keeps 64-bit integers whole", () => {
    assert.deepStrictEqual(
      Result.getOrThrow(
        parse("[18446744073709551615, -9223372036854775808, 9007199254740992, 9007199254740991, 1.5, 1e3]")
      ),
      [18446744073709551615n, -9223372036854775808n, 9007199254740992n, 9007199254740991, 1.5, 1000]
    )
  })
  it("reads a field that is null as left out", () => {
    assert.deepStrictEqual(Result.getOrThrow(parse("\uFEFF{\"a\":null,\"b\":{\"c\":null},\"d\":[null]}")), {
      b: {},
      d: [null]
    })
  })
  it.each(["", "{", "{\"a\":1,}", "[1] 2", "{'a':1}", "NaN", "01", "\"\u0001\""])("refuses %j", (text) => {
    assert.isTrue(Result.isFailure(parse(text)))
  })
  it("refuses a key that has two values", () => {
    const result = parse("{\"rootfs\":\"/a\",\"rootfs\":\"/b\"}")
    assert.match(Result.isFailure(result) ? result.failure.message : "", /Duplicate key 'rootfs'/)
  })
  it("survives a document without end to its nesting", () => {
    assert.isTrue(Result.isFailure(parse("[".repeat(1_000_000))))
  })
  it.each([65, 2200, 9000])("refuses what is nested %i deep, which no configuration is", (depth) => {
    const text = `{"process":${"{\"a\":".repeat(depth - 1)}1${"}".repeat(depth)}`
    const result = parse(text)
    assert.match(Result.isFailure(result) ? result.failure.message : "", /must not be nested so deeply/)
  })
  it("takes what is nested 60 deep", () => {
    assert.isTrue(Result.isSuccess(parse(`${"[".repeat(60)}1${"]".repeat(60)}`)))
  })
  it("refuses a document that is longer than any configuration", () => {
    const text = `"${"x".repeat(longestDocument - 2)}"`
    assert.isTrue(Result.isSuccess(parseDocument(text)))
    const result = parseDocument(`${text} `)
    assert.match(
      Result.isFailure(result) ? result.failure.message : "",
      /^the configuration: must be at most 8 MiB long$/
    )
  })
  it("keeps __proto__ an ordinary key", () => {
    const value = Result.getOrThrow(parse("{\"__proto__\":{\"polluted\":true}}"))
    assert.isTrue(Object.hasOwn(value as object, "__proto__"))
    assert.isFalse("polluted" in {})
  })
})
