import { assert, describe, it } from "@effect/vitest"
import { verifyParent } from "../../src/steps/verifyParent.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

describe("verifyParent", () => {
  it("is content with the parent that it was started by, 0 for one outside of the pid namespace", () => {
    assert.deepStrictEqual(succeed(verifyParent, withInit({ parentPid: 42 }), () => 42).trace, ["getppid()"])
    succeed(verifyParent, withInit({ parentPid: 0 }), () => 0)
  })

  it("fails where another process has taken over, process 1 among them", () => {
    const { message, tag } = fail(verifyParent, withInit({ parentPid: 42 }), () => 1)
    assert.strictEqual(tag, "ParentGone")
    assert.include(message, "process 42 started this one, and now its parent is 1")
  })

  it("does not take a parent that is process 1 for a dead one", () => {
    succeed(verifyParent, withInit({ parentPid: 1 }), () => 1)
  })
})
