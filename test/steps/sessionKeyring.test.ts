import { assert, describe, it } from "@effect/vitest"
import { joinSessionKeyring } from "../../src/steps/joinSessionKeyring.ts"
import { sessionKeyring } from "../../src/steps/sessionKeyring.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const join = "keyctl(KEYCTL_JOIN_SESSION_KEYRING, \"_ses.box\", 0)"

describe("sessionKeyring", () => {
  it("joins a keyring of the container's name and lets the user search it", () => {
    assert.deepStrictEqual(succeed(sessionKeyring, withInit(), () => 99).trace, [
      join,
      `keyctl(KEYCTL_SETPERM, -3, ${0x3f1b0000})`
    ])
  })

  it("leaves the keyring as it is where that is asked for", () => {
    const context = withInit({ container: { noNewKeyring: true } })
    assert.deepStrictEqual(succeed(sessionKeyring, context).trace, [])
    assert.deepStrictEqual(succeed(joinSessionKeyring, context).trace, [])
  })

  it("does without on a kernel without keyrings", () => {
    assert.deepStrictEqual(succeed(sessionKeyring, withInit(), () => "ENOSYS").trace, [join])
  })

  it("fails where the quota is used up", () => {
    assert.strictEqual(fail(sessionKeyring, withInit(), () => "EDQUOT").code, "EDQUOT")
    assert.include(sessionKeyring.advice.EDQUOT, "maxkeys")
    for (const advice of Object.values(sessionKeyring.advice)) assert.include(advice, "--no-new-keyring")
  })

  it("only joins in a process that is executed later", () => {
    assert.deepStrictEqual(succeed(joinSessionKeyring, withInit(), () => 99).trace, [join])
  })
})
