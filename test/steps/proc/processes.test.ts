import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { parseStat } from "../../../src/steps/proc/processes.ts"

const line = (name: string, state: string, startTime: bigint) =>
  `42 (${name}) ${state} 7 42 42 0 -1 4194560 106 0 0 0 0 0 0 0 20 0 1 0 ${startTime} 2703360 198 18446744073709551615\n`

describe("parseStat", () => {
  it("reads pid, state, parent and the 22nd field, whatever the command is called", () => {
    const names = fc.oneof(fc.string(), fc.constantFrom(") R 1 1", "a) Z (b", "(", ")", "\n", "0 (x) S 1"))
    fc.assert(fc.property(names, fc.bigInt(0n, 2n ** 64n - 1n), (name, startTime) => {
      assert.deepStrictEqual(parseStat(line(name, "S", startTime)), { pid: 42, state: "S", parent: 7, startTime })
    }))
  })

  it("takes nothing else for a line", () => {
    for (const text of ["", "42", "42 (x)", "x (y) S 1", line("x", "SS", 1n), "42 (x) S 7 1 2"]) {
      assert.isUndefined(parseStat(text), text)
    }
    fc.assert(fc.property(fc.string(), (text) => void parseStat(text)))
  })
})
