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
    expect(scratch.piece(2048).memory).toHaveLength(2048)
    expect(seen.whole).toBe(1)
  })

  it("has room for what the region has, not for what is seen of it", () => {
    const scratch = new Scratch(library, regionOf(4096, 64).region)
    expect([scratch.room, scratch.fit(5000), scratch.fit(100)]).toEqual([4096, 4096, 100])
    scratch.block(4096)
    expect(() => scratch.block(8)).toThrow(expect.objectContaining({ code: "E2BIG" }))
  })
})
