import { assert, describe, it } from "@effect/vitest"
import { PR } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { dropBoundingSet } from "../../src/steps/dropBoundingSet.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const none = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] }
const keep = (...bounding: ReadonlyArray<number>) => withInit({ process: { capabilities: { ...none, bounding } } })

/** A kernel that knows the capabilities 0 to `last`, and a process whose bounding set is `held`. */
const kernel = (last: number, held: Set<number>, setpcap = true) => (call: Call): unknown => {
  if (call._tag !== "prctl") return undefined
  if (call.option === PR.CAPBSET_READ) return call.arg2 > last ? "EINVAL" : held.has(call.arg2) ? 1 : 0
  if (!setpcap) return "EPERM"
  if (call.arg2 > last) return "EINVAL"
  held.delete(call.arg2)
  return 0
}

describe("dropBoundingSet", () => {
  it("leaves the set alone where no capabilities are configured", () => {
    const { trace, value } = succeed(dropBoundingSet, withInit())
    assert.deepStrictEqual(trace, [])
    assert.deepStrictEqual(value, { lastCapability: undefined })
  })

  it("asks once for each capability that the kernel knows, and keeps what is configured", () => {
    const held = new Set([0, 1, 2, 3])
    const { trace, value } = succeed(dropBoundingSet, keep(1, 3), kernel(3, held))
    assert.deepStrictEqual(trace, [
      "prctl(PR_CAPBSET_DROP, 0, 0, 0, 0)",
      "prctl(PR_CAPBSET_READ, 1, 0, 0, 0)",
      "prctl(PR_CAPBSET_DROP, 2, 0, 0, 0)",
      "prctl(PR_CAPBSET_READ, 3, 0, 0, 0)",
      "prctl(PR_CAPBSET_DROP, 4, 0, 0, 0)"
    ])
    assert.deepStrictEqual(value, { lastCapability: 3 })
    assert.deepStrictEqual([...held], [1, 3])
  })

  it("drops what a newer kernel than this program knows, too", () => {
    const held = new Set([0, 41, 62])
    assert.deepStrictEqual(succeed(dropBoundingSet, keep(), kernel(62, held)).value, { lastCapability: 62 })
    assert.strictEqual(held.size, 0)
  })

  it("names what is configured and not held, and what the kernel does not know", () => {
    const { message, tag } = fail(dropBoundingSet, keep(0, 1, 7, 9), kernel(5, new Set([0])))
    assert.strictEqual(tag, "CapabilitiesUnavailable")
    assert.strictEqual(
      message,
      "process.capabilities.bounding asks for what can't be had: CAP_DAC_OVERRIDE, CAP_SETUID, CAP_LINUX_IMMUTABLE"
    )
  })

  it("is content without CAP_SETPCAP where there is nothing to drop", () => {
    assert.deepStrictEqual(
      succeed(dropBoundingSet, keep(1), kernel(3, new Set([1]), false)).value,
      { lastCapability: 3 }
    )
  })

  it("says that CAP_SETPCAP is missing where something must go", () => {
    const { advice, message, tag } = fail(dropBoundingSet, keep(1), kernel(3, new Set([1, 2]), false))
    assert.strictEqual(tag, "BoundingSetLocked")
    assert.strictEqual(message, "can't drop CAP_DAC_READ_SEARCH from the bounding set: the process lacks CAP_SETPCAP")
    assert.include(advice, "CAP_SETPCAP")
  })
})
