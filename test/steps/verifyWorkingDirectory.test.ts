import { assert, describe, it } from "@effect/vitest"
import { ExecUser, WorkingDirectory } from "../../src/steps/init/facts.ts"
import { verifyWorkingDirectory } from "../../src/steps/verifyWorkingDirectory.ts"
import { and, fail, succeed, withInit } from "../support/steps.ts"

const user = and(withInit(), ExecUser, { uid: 1, gid: 1, groups: [], home: "/" })
const entered = and(user, WorkingDirectory, { path: "/w", deferred: false })
const deferred = and(user, WorkingDirectory, { path: "/w", deferred: true })

describe("verifyWorkingDirectory", () => {
  it("asks the kernel where the process is", () => {
    const { trace, value } = succeed(verifyWorkingDirectory, entered, () => "/w")
    assert.deepStrictEqual(trace, ["getcwd()"])
    assert.deepStrictEqual(value, { path: "/w" })
  })

  it("enters the directory as the user where root could not", () => {
    const { trace } = succeed(verifyWorkingDirectory, deferred, () => "/w")
    assert.deepStrictEqual(trace, ["chdir(\"/w\")", "getcwd()"])
    assert.strictEqual(fail(verifyWorkingDirectory, deferred, () => "EACCES").code, "EACCES")
  })

  for (const found of ["(unreachable)/etc", "relative", ""]) {
    it(`refuses to be at ${JSON.stringify(found)}`, () => {
      const { message, tag } = fail(verifyWorkingDirectory, entered, () => found)
      assert.strictEqual(tag, "OutsideOfRoot")
      assert.strictEqual(message, `the working directory /w is outside of the container root: ${found}`)
    })
  }

  it("refuses to be in a directory that was removed", () => {
    assert.strictEqual(fail(verifyWorkingDirectory, entered, () => "ENOENT").tag, "OutsideOfRoot")
  })
})
