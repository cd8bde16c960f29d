import { assert, describe, it } from "@effect/vitest"
import { ofRecent } from "../../src/engine/ofRecent.ts"

describe("a function of recent objects", () => {
  const counting = () => {
    const asked: Array<object> = []
    const nameOf = ofRecent((of: { readonly name: string }) => {
      asked.push(of)
      return `the ${of.name}`
    })
    return { asked, nameOf }
  }

  it("computes once for an object, and again for an equal one", () => {
    const { asked, nameOf } = counting()
    const first = { name: "first" }
    assert.strictEqual(nameOf(first), "the first")
    assert.strictEqual(nameOf(first), "the first")
    assert.strictEqual(nameOf({ ...first }), "the first")
    assert.strictEqual(asked.length, 2)
  })

  it("keeps no more than the last ones", () => {
    const { asked, nameOf } = counting()
    const first = { name: "first" }
    nameOf(first)
    for (let index = 0; index < 16; index++) nameOf({ name: "other" })
    nameOf(first)
    assert.strictEqual(asked.length, 18)
  })
})
