/** The numbers that a child has descriptors under. */
import { assert, describe, it } from "@effect/vitest"
import type { InitRecord } from "../../../src/steps/init/Init.ts"
import { handedOver } from "../../../src/steps/parent/handedOver.ts"

const over = (record: Partial<InitRecord> & { readonly channel: number }) => {
  const { inside, passed } = handedOver({ preservedFds: 0, ...record } as InitRecord & { readonly channel: number })
  return { inside, passed: [...passed].toSorted(([one], [other]) => one - other) }
}

describe("what a child gets", () => {
  it("has the numbers that it has here, as long as these are low", () => {
    const { inside, passed } = over({ channel: 20, preservedFds: 2, stdio: [21, 22, 22], descriptors: { 7: 63 } })
    assert.deepStrictEqual(passed, [[3, 3], [4, 4], [20, 20], [21, 21], [22, 22], [63, 63]])
    assert.deepStrictEqual([inside.channel, inside.stdio, inside.descriptors], [20, [21, 22, 22], { 7: 63 }])
  })

  it("gets a low number in place of a high one, which nothing else has", () => {
    const { inside, passed } = over({
      channel: 1000,
      preservedFds: 1,
      stdio: [5, 1001, 1001],
      descriptors: { 4: 1002, 6: 1003 },
      consoleSocket: 64,
      port: { number: 80, socket: 1005 }
    })
    assert.deepStrictEqual(passed, [[3, 3], [5, 5], [16, 1001], [17, 1002], [18, 1003], [19, 1000], [20, 64], [
      21,
      1005
    ]])
    assert.deepStrictEqual(inside.stdio, [5, 16, 16])
    assert.deepStrictEqual(inside.descriptors, { 4: 17, 6: 18 })
    assert.deepStrictEqual([inside.channel, inside.consoleSocket, inside.port], [19, 20, { number: 80, socket: 21 }])
  })

  it("has no word of what there is not", () => {
    assert.deepStrictEqual(Object.keys(over({ channel: 5 }).inside).toSorted(), ["channel", "preservedFds"])
  })
})
