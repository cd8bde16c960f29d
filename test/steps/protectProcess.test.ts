import { assert, it } from "@effect/vitest"
import { protectProcess } from "../../src/steps/protectProcess.ts"
import { succeed, withInit } from "../support/steps.ts"

it("protectProcess makes the process not dumpable", () => {
  assert.deepStrictEqual(succeed(protectProcess, withInit()).trace, ["prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)"])
})
