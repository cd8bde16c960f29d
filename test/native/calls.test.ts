import { assert, describe, it } from "@effect/vitest"
import { calls, rowOf } from "../../src/native/calls.ts"
import { callNames } from "../../src/native/Kernel.ts"
import { syscallNumbers } from "../../src/native/syscallTables.ts"

const known = [syscallNumbers("X86_64"), syscallNumbers("AARCH64")]

describe("the table of calls", () => {
  it.each(callNames)("says which system calls %s is", (call) => {
    for (const { name = call } of rowOf(call).syscalls ?? [{}]) {
      for (const numbers of known) assert.isTrue(numbers.has(name), name)
    }
  })

  it("has traits of none but those calls that need them", () => {
    const waiting = callNames.filter((name) => rowOf(name).waits !== undefined)
    assert.deepStrictEqual(waiting.toSorted(), [
      "connect",
      "flock",
      "nanosleep",
      "openat",
      "openat2",
      "poll",
      "read",
      "recvmsg",
      "sendmsg",
      "waitid",
      "write"
    ])
    // what is made in order to wait, or only looks, frees nothing but the child that was waited for
    const freeing = callNames.filter((name) => rowOf(name).looks && rowOf(name).releases !== undefined)
    assert.deepStrictEqual(freeing, ["close"])
  })

  it("says what the registers hold", () => {
    const device = calls.mknodat.syscalls?.[0]?.registers
    assert(typeof device === "function")
    const held = device({ dirfd: 3, path: "null", mode: 0o20666, major: 0x123, minor: 0x4567 })
    // minor's low byte, major, minor's rest
    assert.deepStrictEqual(held, [3, undefined, 0o20666, 0x04512367])
  })
})
