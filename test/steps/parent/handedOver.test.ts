/** The numbers that a child has descriptors under. */
import { assert, describe, it } from "@effect/vitest"
import type { InitRecord } from "../../../src/steps/init/Init.ts"
import { handedOver } from "../../../src/steps/parent/handedOver.ts"

const over = (record: Partial<InitRecord> & { readonly channel: number }) => {
  const { inside, passed } = handedOver({ preservedFds: 0, ...record } as InitRecord & { readonly channel: number })
  return { inside, passed: [...passed].toSorted(([one], [other]) => one - other) }
}

describe("what a child gets", () => {
  it("has the same numbers whatever they are here, but for the standard streams", () => {
    const near = over({ channel: 20, preservedFds: 2, stdio: [0, 22, 22], descriptors: { 7: 63 } })
    const far = over({ channel: 16, preservedFds: 2, stdio: [0, 1000, 1000], descriptors: { 7: 17 } })
    assert.deepStrictEqual(near.passed, [[0, 0], [3, 3], [4, 4], [16, 22], [17, 63], [18, 20]])
    assert.deepStrictEqual(far.passed, [[0, 0], [3, 3], [4, 4], [16, 1000], [17, 17], [18, 16]])
    assert.deepStrictEqual(near.inside, far.inside)
    const { channel, descriptors, stdio } = near.inside
    assert.deepStrictEqual([channel, stdio, descriptors], [18, [0, 16, 16], { 7: 17 }])
  })

  it("gets low numbers, which nothing else has", () => {
    const { inside, passed } = over({
      channel: 1000,
      preservedFds: 14,
      stdio: [5, 1001, 1001],
      descriptors: { 4: 1002, 20: 1003 },
      consoleSocket: 64,
      port: { number: 80, socket: 1005 }
    })
    const preserved = Array.from({ length: 14 }, (_, index) => [3 + index, 3 + index])
    const given = [[17, 5], [18, 1001], [19, 1002], [21, 1003], [22, 1000], [23, 64], [24, 1005]]
    assert.deepStrictEqual<unknown>(passed, [...preserved, ...given])
    assert.deepStrictEqual(inside.stdio, [17, 18, 18])
    assert.deepStrictEqual(inside.descriptors, { 4: 19, 20: 21 })
    assert.deepStrictEqual([inside.channel, inside.consoleSocket, inside.port], [22, 23, { number: 80, socket: 24 }])
  })

  it("has no word of what there is not", () => {
    assert.deepStrictEqual(Object.keys(over({ channel: 5 }).inside).toSorted(), ["channel", "preservedFds"])
  })
})
