import { assert, it } from "@effect/vitest"
import { setUmask } from "../../src/steps/setUmask.ts"
import { succeed, withInit } from "../support/steps.ts"

it("setUmask sets a configured mask, 0 too, and else leaves it", () => {
  assert.deepStrictEqual(succeed(setUmask, withInit({ process: { umask: 0o27 } })).trace, ["umask(027)"])
  assert.deepStrictEqual(succeed(setUmask, withInit({ process: { umask: 0 } })).trace, ["umask(00)"])
  assert.deepStrictEqual(succeed(setUmask, withInit()).trace, [])
})
