import { assert, describe, it } from "@effect/vitest"
import * as capabilities from "../../src/config/capabilities.ts"
import { parseNumberList } from "../../src/config/numberList.ts"
import * as rlimits from "../../src/config/rlimits.ts"
import * as signals from "../../src/config/signals.ts"

describe("capabilities", () => {
  it("knows all 41, by name with and without prefix", () => {
    assert.strictEqual(capabilities.names.length, 41)
    assert.strictEqual(capabilities.last, 40)
    assert.strictEqual(capabilities.numberOf("CAP_CHOWN"), 0)
    assert.strictEqual(capabilities.numberOf("SYS_ADMIN"), 21)
    assert.strictEqual(capabilities.numberOf("CAP_CHECKPOINT_RESTORE"), 40)
    assert.strictEqual(capabilities.numberOf("chown"), undefined)
    assert.strictEqual(capabilities.numberOf("CAP_CAP_CHOWN"), undefined)
    assert.strictEqual(capabilities.nameOf(25), "CAP_SYS_TIME")
    assert.strictEqual(capabilities.nameOf(63), "CAP_63")
    for (const [number, name] of capabilities.names.entries()) assert.strictEqual(capabilities.numbers[name], number)
  })
  it("makes bit sets", () => {
    assert.strictEqual(capabilities.toBits([0, 40, 0]), 2n ** 40n + 1n)
  })
})

describe("rlimits", () => {
  it("knows the sixteen, both ways", () => {
    assert.strictEqual(Object.keys(rlimits.numbers).length, 16)
    assert.strictEqual(rlimits.numberOf("RLIMIT_NOFILE"), 7)
    assert.strictEqual(rlimits.numberOf("NOFILE"), undefined)
    assert.strictEqual(rlimits.numberOf("toString"), undefined)
    assert.strictEqual(rlimits.nameOf(15), "RLIMIT_RTTIME")
    assert.strictEqual(rlimits.nameOf(99), "RLIMIT_99")
  })
})

describe("signals", () => {
  it.each([
    ["SIGTERM", 15],
    ["term", 15],
    ["15", 15],
    ["SIGIOT", 6],
    ["SIGRTMIN", 34],
    ["RTMIN+1", 35],
    ["SIGRTMAX-2", 62],
    ["64", 64],
    ["sigrtmin+3", 37],
    ["0", 0],
    ["-1", undefined],
    ["1.5", undefined],
    ["65", undefined],
    ["RTMAX+1", undefined],
    ["SIG", undefined],
    ["constructor", undefined]
  ])("%s is %s", (text, number) => {
    assert.strictEqual(signals.numberOf(text), number)
  })
  it("names every signal so that it can be read back", () => {
    for (let number = 1; number <= signals.last; number++) {
      assert.strictEqual(signals.numberOf(signals.nameOf(number)), number)
    }
  })
})

describe("number lists", () => {
  it.each<[string, ReadonlyArray<number> | undefined]>([
    ["", []],
    ["0-3,7", [0, 1, 2, 3, 7]],
    [" 2 , 1-2", [1, 2]],
    ["3-1", undefined],
    ["a", undefined],
    ["1,", [1]],
    [",0,,2-3,", [0, 2, 3]],
    ["0-7:2/4", [0, 1, 4, 5]],
    ["0-7:3/2", undefined],
    ["0-7:0/2", undefined],
    [`${"0-65535,".repeat(20_000)}x`, undefined],
    ["-1", undefined],
    ["0-99999999", undefined]
  ])("%j is %j", (text, numbers) => {
    assert.deepStrictEqual(parseNumberList(text), numbers)
  })
})
