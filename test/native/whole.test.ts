/** Files that the kernel makes as a whole are read without a last read that returns nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readWholeText } from "../../src/native/whole.ts"
import { scripted } from "../support/scripted.ts"

describe("a file that the kernel makes as a whole", () => {
  it.each([[0, 1], [1, 1], [65535, 1], [65536, 2], [200_000, 4]])("of %d bytes is read by %d calls", (size, reads) => {
    let left = size
    const { layer, trace } = scripted((call) => {
      if (call._tag === "openat") return 3
      if (call._tag !== "read") return undefined
      const count = Math.min(left, call.count)
      left -= count
      return Buffer.alloc(count, "x")
    })
    const text = Effect.runSync(Effect.provide(readWholeText("/proc/self/status"), layer))
    assert.strictEqual(text, "x".repeat(size))
    assert.strictEqual(trace().filter((line) => line.startsWith("read(")).length, reads)
  })
})
