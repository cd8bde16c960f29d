import { assert, it } from "@effect/vitest"
import { startSession } from "../../src/steps/startSession.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

it("startSession starts a session, or fails", () => {
  assert.deepStrictEqual(succeed(startSession, withInit()).trace, ["setsid()"])
  assert.strictEqual(fail(startSession, withInit(), () => "EPERM").code, "EPERM")
})
