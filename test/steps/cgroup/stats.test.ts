import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { parseKeyed } from "../../../src/steps/cgroup/members.ts"
import { parseBlkio, parseIoStat } from "../../../src/steps/cgroup/stats.ts"

describe("the files of numbers", () => {
  it.effect("flat keyed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* parseKeyed("f", "a 1\nb 18446744073709551615\n"), {
        a: 1n,
        b: 18446744073709551615n
      })
      const failure = yield* Effect.flip(parseKeyed("cpu.stat", "a 1\nb\n"))
      assert.include(failure.message, "cpu.stat")
      assert.include(failure.message, "\"b\"")
    }))

  it.effect("blkio, with and without operations; the total is no device", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* parseBlkio("f", "8:0 Read 5\n8:0 Total 5\n8:16 7\nTotal 12\n"), [
        { major: 8, minor: 0, op: "Read", value: 5n },
        { major: 8, minor: 0, op: "Total", value: 5n },
        { major: 8, minor: 16, op: "", value: 7n }
      ])
      assert.strictEqual((yield* Effect.flip(parseBlkio("f", "8:0 Read\n")))._tag, "CgroupFileInvalid")
    }))

  it.effect("io.stat, also devices that have done nothing", () =>
    Effect.gen(function*() {
      const devices = yield* parseIoStat("7:1 7:0 \n8:0 rbytes=1 wbytes=2 rios=3 cost.usage=x\n254:0\n")
      assert.deepStrictEqual(devices, [
        { major: 8, minor: 0, values: new Map([["rbytes", 1n], ["wbytes", 2n], ["rios", 3n]]) }
      ])
      assert.strictEqual((yield* Effect.flip(parseIoStat("what\n")))._tag, "CgroupFileInvalid")
    }))
})
