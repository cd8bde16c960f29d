import { assert, describe, it } from "@effect/vitest"
import type { Capabilities } from "../../src/config/Container.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { dropCapabilities } from "../../src/steps/dropCapabilities.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const with_ = (given: Partial<Capabilities>) =>
  withInit({
    process: {
      capabilities: {
        bounding: given.inheritable ?? [],
        effective: [],
        inheritable: [],
        permitted: [],
        ambient: [],
        ...given
      }
    }
  })

/** A process that holds these, without CAP_SETPCAP, and whose bounding set is not asked for. */
const holding = (permitted: bigint, inheritable = 0n) => (call: Call): unknown => {
  if (call._tag === "capget") return { effective: 0n, permitted, inheritable }
  if (call._tag !== "capset") return 0
  const isWithin = (set: bigint, limit: bigint) => (set & ~limit) === 0n
  const taken = isWithin(call.permitted, permitted) && isWithin(call.effective, call.permitted) &&
    isWithin(call.inheritable, permitted | inheritable)
  return taken ? 0 : "EPERM"
}

describe("dropCapabilities", () => {
  it("leaves the sets alone where none are configured", () => {
    assert.deepStrictEqual(succeed(dropCapabilities, withInit()).trace, [])
  })

  it("sets the three sets at once, then the ambient one", () => {
    const wanted = with_({ effective: [0], permitted: [0, 10, 37], inheritable: [10, 37], ambient: [10, 37] })
    assert.deepStrictEqual(succeed(dropCapabilities, wanted, holding(2n ** 41n - 1n)).trace, [
      "capset(0x1, 0x2000000401, 0x2000000400)",
      "prctl(PR_CAP_AMBIENT, 4, 0, 0, 0)",
      "prctl(PR_CAP_AMBIENT, 2, 10, 0, 0)",
      "prctl(PR_CAP_AMBIENT, 2, 37, 0, 0)"
    ])
  })

  it("clears all where empty sets are configured", () => {
    assert.deepStrictEqual(succeed(dropCapabilities, with_({}), holding(7n)).trace, [
      "capset(0x0, 0x0, 0x0)",
      "prctl(PR_CAP_AMBIENT, 4, 0, 0, 0)"
    ])
  })

  it("looks at what the process holds only if the kernel refuses the sets, and names what it lacks", () => {
    const { message, tag, trace } = fail(dropCapabilities, with_({ permitted: [0, 24] }), holding(1n))
    assert.strictEqual(tag, "CapabilitiesUnavailable")
    assert.strictEqual(message, "process.capabilities.permitted asks for what can't be had: CAP_SYS_RESOURCE")
    assert.deepStrictEqual(trace, ["capset(0x0, 0x1000001, 0x0)", "capget(0)"])
  })

  it("names what an older kernel would ignore, since it does not know it", () => {
    const { message, trace } = fail(dropCapabilities, with_({ permitted: [0, 24, 38] }), holding(1n))
    assert.strictEqual(
      message,
      "process.capabilities.permitted asks for what can't be had: CAP_SYS_RESOURCE, CAP_PERFMON"
    )
    assert.deepStrictEqual(trace, ["capget(0)"])
    const effective = fail(dropCapabilities, with_({ effective: [38], permitted: [0] }), holding(1n))
    assert.deepStrictEqual([effective.tag, effective.trace], ["CapabilitiesUnavailable", ["capget(0)"]])
  })

  it("fails with the kernel's refusal if it is for nothing that the process lacks", () => {
    const { code } = fail(
      dropCapabilities,
      with_({ permitted: [0] }),
      (call) => call._tag === "capset" ? "EPERM" : holding(1n)(call)
    )
    assert.strictEqual(code, "EPERM")
  })

  it("refuses effective capabilities that are not permitted", () => {
    const { advice } = fail(dropCapabilities, with_({ effective: [1], permitted: [0] }), holding(3n))
    assert.include(advice, "add CAP_DAC_OVERRIDE to permitted")
  })

  it("takes inheritable capabilities that are held either way", () => {
    succeed(dropCapabilities, with_({ inheritable: [0, 1] }), holding(1n, 2n))
    assert.include(fail(dropCapabilities, with_({ inheritable: [2] }), holding(1n, 2n)).message, "CAP_DAC_READ_SEARCH")
  })

  it("refuses inheritable capabilities beyond the bounding set, as the kernel does", () => {
    const { advice, trace } = fail(dropCapabilities, with_({ bounding: [0], inheritable: [0, 1] }), holding(3n))
    assert.include(advice, "add CAP_DAC_OVERRIDE to bounding")
    assert.deepStrictEqual(trace, ["capget(0)"])
    // what the runtime itself has inherited is no addition
    succeed(dropCapabilities, with_({ bounding: [0], inheritable: [0, 1] }), holding(3n, 2n))
  })

  it("raises of the ambient ones those that are both permitted and inheritable", () => {
    const wanted = with_({ permitted: [0, 1], inheritable: [1, 2], ambient: [0, 1, 2] })
    assert.deepStrictEqual(succeed(dropCapabilities, wanted, holding(7n)).trace.slice(2), [
      "prctl(PR_CAP_AMBIENT, 4, 0, 0, 0)",
      "prctl(PR_CAP_AMBIENT, 2, 1, 0, 0)"
    ])
  })
})
