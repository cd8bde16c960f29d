import { assert, it } from "@effect/vitest"
import { setNoNewPrivileges } from "../../src/steps/setNoNewPrivileges.ts"
import { succeed, withInit } from "../support/steps.ts"

it("setNoNewPrivileges sets no_new_privs only where that is asked for", () => {
  assert.deepStrictEqual(
    succeed(setNoNewPrivileges, withInit({ process: { noNewPrivileges: true } })).trace,
    ["prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)"]
  )
  assert.deepStrictEqual(succeed(setNoNewPrivileges, withInit()).trace, [])
})
