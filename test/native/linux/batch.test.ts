import { describe, expect, it } from "vitest"
import { Batch } from "../../../src/native/linux/rpc/Batch.ts"
import { entry as at, sizes } from "../../../src/native/linux/rpc/layout.ts"

/** A list with room for some entries, of which some are seen at first, and how often all were asked for. */
const listOf = (most: number, front: number) => {
  const bytes = Buffer.alloc(most * sizes.entry)
  const seen = { whole: 0 }
  const batch = new Batch({
    address: 0x1000,
    size: bytes.length,
    front: bytes.subarray(0, front * sizes.entry),
    whole: () => {
      seen.whole++
      return bytes
    }
  })
  const add = (number: number) => batch.call(number, 0, 0, 0, 0, 0, 0, "success")
  const numberAt = (entry: number) => bytes.readUInt32LE(entry * sizes.entry + at.number)
  return { add, batch, bytes, numberAt, seen }
}

describe("a list", () => {
  it("sees all of its memory once it is longer than its front, and only then", () => {
    const { add, batch, numberAt, seen } = listOf(16, 4)
    for (let entry = 0; entry < 4; entry++) add(entry + 1)
    expect(seen.whole).toBe(0)
    for (let entry = 4; entry < 16; entry++) add(entry + 1)
    expect([seen.whole, batch.most, batch.length]).toEqual([1, 16, 16])
    expect([0, 3, 4, 15].map(numberAt)).toEqual([1, 4, 5, 16])
  })

  it("has drafted entries in its memory when they are published, however many, and not before", () => {
    const count = 3000
    const { add, batch, bytes, numberAt, seen } = listOf(count, 4)
    add(1)
    batch.draft()
    for (let entry = 1; entry < count; entry++) add(entry + 1)
    expect([bytes.subarray(sizes.entry).every((byte) => byte === 0), seen.whole, batch.isDrafted]).toEqual([
      true,
      0,
      true
    ])
    expect(batch.publish()).toHaveLength((count - 1) * sizes.entry / 4)
    expect([0, 1, 1024, count - 1].map(numberAt)).toEqual([1, 2, 1025, count])
    expect([batch.isDrafted, batch.publish()]).toEqual([false, undefined])
  })

  it("drops a draft that was not published when it is cleared", () => {
    const { add, batch, numberAt } = listOf(16, 4)
    batch.draft()
    add(1)
    batch.clear()
    add(2)
    expect([batch.length, numberAt(0)]).toEqual([1, 2])
  })

  it("takes a copy of entries that is longer than its front", () => {
    const { add, batch } = listOf(16, 16)
    batch.draft()
    for (let entry = 0; entry < 8; entry++) add(entry + 1)
    const words = batch.publish()!
    const other = listOf(16, 4)
    other.add(99)
    other.batch.append({ words, places: { inData: [], inEntries: [] }, entriesAt: 0, dataAt: 0 }, 0)
    expect([other.batch.length, other.numberAt(0), other.numberAt(1), other.numberAt(8)]).toEqual([9, 99, 1, 8])
  })
})
