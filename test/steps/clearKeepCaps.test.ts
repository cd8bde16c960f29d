import { assert, it } from "@effect/vitest"
import { clearKeepCaps } from "../../src/steps/clearKeepCaps.ts"
import { KeepCaps } from "../../src/steps/init/facts.ts"
import { and, succeed, withInit } from "../support/steps.ts"

it("clearKeepCaps takes back what was set", () => {
  const trace = (kept: boolean) => succeed(clearKeepCaps, and(withInit(), KeepCaps, { kept })).trace
  assert.deepStrictEqual(trace(true), ["prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0)"])
  assert.deepStrictEqual(trace(false), [])
})
