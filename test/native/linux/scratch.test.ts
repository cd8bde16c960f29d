import { describe, expect, it } from "vitest"
import type { Library } from "../../../src/native/linux/koffi.ts"
import { type Region, Scratch } from "../../../src/native/linux/Scratch.ts"

/** A region of memory, its address 0x1000, and how often all of it was asked for. */
const regionOf = (size: number, front: number) => {
  const bytes = Buffer.alloc(size)
  const seen = { whole: 0 }
  const region: Region = {
    address: 0x1000,
    size,
    front: bytes.subarray(0, front),
    whole: () => {
      seen.whole++
      return bytes
    }
  }
  return { bytes, region, seen }
}

const library = {} as Library

describe("the memory of one process", () => {
  it("sees all of a region once a block needs it, and only then", () => {
    const { bytes, region, seen } = regionOf(4096, 64)
    const scratch = new Scratch(library, region)
    const first = scratch.block(64)
    first.setU32(60, 7)
    expect(seen.whole).toBe(0)
    const second = scratch.zeroed(128)
    second.setU32(124, 9)
    expect([second.address, bytes.readUInt32LE(60), bytes.readUInt32LE(64 + 124)]).toEqual([0x1040, 7, 9])
    first.setU32(0, 5)
    expect([bytes.readUInt32LE(0), first.u32(60)]).toEqual([5, 7])
    scratch.reset()
    scratch.block(2048).setU32(2044, 3)
    expect(bytes.readUInt32LE(2044)).toBe(3)
    expect(seen.whole).toBe(1)
  })

  it("has room for what the region has, not for what is seen of it", () => {
    const scratch = new Scratch(library, regionOf(4096, 64).region)
    expect([scratch.room, scratch.fit(5000), scratch.fit(100)]).toEqual([4096, 4096, 100])
    scratch.block(4096)
    expect(() => scratch.block(8)).toThrow(expect.objectContaining({ code: "E2BIG" }))
  })

  it("keeps a draft that ends at exactly its limit, and publishes one that would become longer", () => {
    for (const [more, kept] of [[0, true], [8, false]] as const) {
      const { bytes, region } = regionOf(4096, 64)
      const scratch = new Scratch(library, region)
      scratch.block(24)
      scratch.draft(1024, [])
      const first = scratch.block(1000)
      const last = scratch.block(24 + more)
      // a block is written to where it is now
      first.setU32(996, 5)
      last.setU32(20, 7)
      expect(bytes.readUInt32LE(24 + 996)).toBe(kept ? 0 : 5)
      expect(scratch.publish()?.length).toBe(kept ? 1024 : undefined)
      expect([bytes.readUInt32LE(24 + 996), bytes.readUInt32LE(1024 + 20)]).toEqual([5, 7])
      first.setU32(0, 9)
      expect([bytes.readUInt32LE(24), first.u32(996)]).toEqual([9, 5])
    }
  })

  it("makes a draft larger while it is written, and leaves nothing of it in the next one", () => {
    const { bytes, region } = regionOf(0x10_0000, 64)
    const scratch = new Scratch(library, region)
    scratch.draft(0x8_0000, [])
    const blocks = Array.from({ length: 64 }, () => scratch.block(0x2000))
    blocks.forEach((block, index) => block.setU32(0x1ffc, index + 1))
    expect(bytes.every((byte) => byte === 0)).toBe(true)
    expect(scratch.publish()).toHaveLength(0x8_0000)
    blocks.forEach((_, index) => expect(bytes.readUInt32LE((index + 1) * 0x2000 - 4)).toBe(index + 1))

    scratch.draft(64, [])
    scratch.reset()
    scratch.block(8).setU32(0, 11)
    expect(bytes.readUInt32LE(0)).toBe(11)

    for (const expected of [[1, 2, 3], [0, 0, 0]]) {
      scratch.reset()
      scratch.draft(0x8_0000, [])
      const block = scratch.block(8)
      if (expected[0] !== 0) block.setBytes(0, Uint8Array.from(expected))
      expect([...scratch.publish()!.subarray(0, 3)]).toEqual(expected)
    }
  })
})
