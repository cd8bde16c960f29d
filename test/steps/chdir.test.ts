import { assert, describe, it } from "@effect/vitest"
import { chdir } from "../../src/steps/chdir.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const context = withInit({ process: { cwd: "/home/u" } })

describe("chdir", () => {
  it("enters the directory", () => {
    const { trace, value } = succeed(chdir, context)
    assert.deepStrictEqual(trace, ["chdir(\"/home/u\")"])
    assert.deepStrictEqual(value, { path: "/home/u", deferred: false })
  })

  for (const code of ["EACCES", "EPERM"]) {
    it(`leaves it to the user on ${code}`, () => {
      assert.deepStrictEqual(succeed(chdir, context, () => code).value, { path: "/home/u", deferred: true })
    })
  }

  it("fails where there is no such directory", () => {
    assert.strictEqual(fail(chdir, context, () => "ENOENT").code, "ENOENT")
  })
})
