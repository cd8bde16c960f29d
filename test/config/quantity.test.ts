import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { anyTime, bytesOf, millisecondsOf } from "../../src/config/shape/quantity.ts"

describe("a size", () => {
  it.each([
    [1, 1n],
    [7n, 7n],
    ["512", 512n],
    ["1 byte", 1n],
    ["1kB", 1000n],
    ["1 KiB", 1024n],
    ["256 MiB", 256n * 1024n ** 2n],
    ["1.5 GB", 1_500_000_000n],
    ["2 tib", 2n * 1024n ** 4n]
  ])("%s is %s bytes", (size, bytes) => assert.strictEqual(bytesOf(size), bytes))

  it.each([0, -1, 1.5, Number.NaN, "", "0", "MiB", "1 MiBs", "1m", "-1 kB", "1e3", null, undefined, {}, true])(
    "%s is none",
    (size) => assert.isUndefined(bytesOf(size))
  )
})

describe("a time", () => {
  it.each([
    [250, 250],
    ["10 seconds", 10_000],
    ["1 minute", 60_000],
    [Duration.seconds(2), 2000]
  ])("%s is %s ms", (time, milliseconds) => assert.strictEqual(millisecondsOf(time), milliseconds))

  it.each([0, -1, "soon", "10", "", null, undefined, {}, Infinity, "30 days", true])(
    "%s is none",
    (time) => assert.isUndefined(millisecondsOf(time))
  )
})

describe("a time that may be 0, or without end", () => {
  const isTaken = (value: unknown): boolean => {
    let taken = true
    anyTime(value, [], () => void (taken = false))
    return taken
  }

  it.each([0, 5, "0 seconds", "1 minute", "Infinity", Duration.zero])(
    "may be %s",
    (value) => assert.isTrue(isTaken(value))
  )
  it.each([-1, Number.NaN, "soon", "-1 seconds", null, true])("is not %s", (value) => assert.isFalse(isTaken(value)))
})
