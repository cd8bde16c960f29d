import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { ContainerId } from "../../../src/steps/state/ContainerId.ts"
import { InvalidId } from "../../../src/steps/state/errors.ts"

describe("a container's id", () => {
  it.each(["web", "a.b_c+d-1", ".hidden", "x".repeat(1024)])("may be %s", (id) => {
    assert.strictEqual<string>(ContainerId(id), id)
    assert.isTrue(ContainerId.is(id))
    assert.deepStrictEqual(ContainerId.result(id), Result.succeed(id as ContainerId))
  })

  it.each(["", ".", "..", "a/b", "a b", "\u00e9", "web\n", "x".repeat(1025)])("is not %j", (id) => {
    assert.throws(() => ContainerId(id), InvalidId)
    assert.isFalse(ContainerId.is(id))
    assert.isTrue(Result.isFailure(ContainerId.result(id)))
  })
})
