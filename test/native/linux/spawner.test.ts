/** What a process knows of its own table of descriptors before it clones another one. */
import { assert, describe, it } from "@effect/vitest"
import { Spawner } from "../../../src/native/linux/rpc/Spawner.ts"
import { Refused } from "../../../src/native/Refused.ts"

describe("a table of descriptors", () => {
  /** Whether descriptor 64 is open, and whether select(2) looks so far. */
  let [isOpen, looksSoFar] = [false, false]
  let asked = 0
  const call = (number: string): number => {
    asked++
    if (number === "fcntl" ? isOpen : !looksSoFar) return 0
    throw new Refused("EBADF")
  }
  const memory = { reset: () => {}, zeroed: () => ({ address: 0, setBit: () => {} }) }
  const machine = { call, memory, numbers: { fcntl: "fcntl", pselect6: "pselect6" } }
  const spawner = () => new Spawner(machine as never, (() => {}) as never, {} as never)

  it("is asked about until it has grown, since it never shrinks", () => {
    for (const grown of ["open", "closed again"]) {
      const own = spawner()
      ;[isOpen, looksSoFar] = [false, false]
      assert.deepStrictEqual([own.isLarge, own.isLarge], [false, false])
      ;[isOpen, looksSoFar] = [grown === "open", true]
      assert.isTrue(own.isLarge)
      asked = 0
      assert.isTrue(own.isLarge)
      assert.strictEqual(asked, 0)
    }
  })
})
