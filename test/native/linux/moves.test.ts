/** Descriptors that get other numbers. */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { inOrder, lowest, type Move } from "../../../src/native/linux/rpc/moves.ts"

/** What a table has on each number when dup3(2) has made moves, if each descriptor is called after its number. */
const after = (moves: ReadonlyArray<Move>): (number: number) => number => {
  const table = new Map<number, number>()
  const at = (number: number) => table.get(number) ?? number
  for (const [from, to] of moves) table.set(to, at(from))
  return at
}

describe("moves of descriptors", () => {
  it("takes the lowest numbers that are free, and leaves some to a process with a limit of few", () => {
    assert.deepStrictEqual(lowest(3, [0, 1, 2, 4, 17, 900]), [16, 18, 19])
    assert.deepStrictEqual(lowest(0, []), [])
  })

  it("leaves what has its number already", () => {
    assert.deepStrictEqual(inOrder([[5, 5], [900, 3]]), [[900, 3]])
  })

  it("exchanges two by way of a third number", () => {
    assert.deepStrictEqual(inOrder([[3, 4], [4, 3]]), [[3, 16], [4, 3], [16, 4]])
  })

  it("puts each where it is to be, whatever overlaps", () => {
    const number = fc.integer({ min: 3, max: 12 })
    const moves = fc.uniqueArray(fc.tuple(number, number), { selector: ([, to]) => to })
    fc.assert(fc.property(moves, (asked) => {
      const at = after(inOrder(asked))
      for (const [from, to] of asked) assert.strictEqual(at(to), from)
    }))
  })
})
