import { describe, expect, it } from "vitest"
import { KeptParts } from "../../../src/native/linux/rpc/Kept.ts"

describe("what is kept of the calls of steps", () => {
  it("is nothing of the first journey, not even if its step runs again: a command makes one container", () => {
    const kept = new KeptParts()
    const [step, first, second] = [{}, Symbol("first"), Symbol("second")]
    expect([kept.begin(step, first), kept.begin(step, first)]).toEqual([false, false])
    expect(kept.begin(step, second)).toBe(true)
    // another part is kept at the same time
    expect(kept.begin(step, second)).toBe(false)
    kept.end()
    expect(kept.begin(step, second)).toBe(true)
  })
})
