import { assert, describe, it } from "@effect/vitest"
import { RESOLVE } from "../../src/native/constants.ts"
import { maskPaths } from "../../src/steps/maskPaths.ts"
import { InRoot, PathsReadonly } from "../../src/steps/rootfs/facts.ts"
import { and, runStep, withInit } from "../support/steps.ts"

describe("maskPaths", () => {
  it("takes no link for /dev/null", () => {
    const context = and(
      and(withInit({ container: { maskedPaths: ["/f"] } }), InRoot, { fd: 9 }),
      PathsReadonly,
      { kept: [] }
    )
    const asked: Array<number> = []
    runStep(maskPaths, context, (call) => {
      if (call._tag === "openat2" && call.path.endsWith("dev/null")) asked.push(call.resolve)
      return call._tag === "openat2" ? 20 : call._tag === "statx" ? { mode: 0o100644, rdev: { major: 0, minor: 0 } } : 0
    })
    assert.strictEqual(asked.length, 1)
    assert.isTrue((asked[0]! & RESOLVE.NO_SYMLINKS) !== 0)
  })
})
