import { assert, describe, it } from "@effect/vitest"
import { CLONE } from "../../src/native/constants.ts"
import { unshareNamespaces } from "../../src/steps/unshareNamespaces.ts"
import { procSelf } from "../support/procSelf.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

describe("unshareNamespaces", () => {
  it("does nothing where clone has made them all", () => {
    assert.deepStrictEqual(succeed(unshareNamespaces, withInit()).trace, [])
  })

  it("makes the cgroup namespace last", () => {
    const { trace } = succeed(unshareNamespaces, withInit({ unshare: CLONE.NEWCGROUP | CLONE.NEWNS | CLONE.NEWPID }))
    assert.deepStrictEqual(trace, ["unshare(CLONE_NEWPID|CLONE_NEWNS)", "unshare(CLONE_NEWCGROUP)"])
  })

  it("writes the offsets of a time namespace at once, in one write", () => {
    const context = withInit({
      unshare: CLONE.NEWTIME | CLONE.NEWCGROUP,
      container: {
        timeOffsets: [
          { clock: "monotonic", seconds: 86400n, nanoseconds: 5 },
          { clock: "boottime", seconds: -1n, nanoseconds: 0 }
        ]
      }
    })
    const { trace } = succeed(unshareNamespaces, context, procSelf({ timens_offsets: "" }))
    assert.strictEqual(trace[0], "unshare(CLONE_NEWTIME)")
    assert.include(trace, "write(21, \"monotonic 86400 5\\nboottime -1 0\\n\")")
    assert.strictEqual(trace.at(-1), "unshare(CLONE_NEWCGROUP)")
  })

  it("tries again where the kernel says EINVAL, five times", () => {
    let calls = 0
    const twice = succeed(
      unshareNamespaces,
      withInit({ unshare: CLONE.NEWNS }),
      ({ _tag }) => _tag === "unshare" && calls++ < 2 ? "EINVAL" : undefined
    )
    assert.deepStrictEqual(twice.trace, [
      "unshare(CLONE_NEWNS)",
      "nanosleep(1000000)",
      "unshare(CLONE_NEWNS)",
      "nanosleep(1000000)",
      "unshare(CLONE_NEWNS)"
    ])
    const never = fail(
      unshareNamespaces,
      withInit({ unshare: CLONE.NEWNS }),
      ({ _tag }) => _tag === "unshare" ? "EINVAL" : undefined
    )
    assert.strictEqual(never.code, "EINVAL")
    assert.strictEqual(never.trace.filter((line) => line.startsWith("unshare")).length, 6)
  })

  it("does not try again what is not permitted", () => {
    const { trace } = fail(unshareNamespaces, withInit({ unshare: CLONE.NEWNS }), () => "EPERM")
    assert.deepStrictEqual(trace.filter((line) => line.startsWith("unshare")), ["unshare(CLONE_NEWNS)"])
  })
})
