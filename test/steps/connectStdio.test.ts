import { assert, describe, it } from "@effect/vitest"
import { connectStdio } from "../../src/steps/connectStdio.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

describe("connectStdio", () => {
  it("leaves the streams alone where nothing is given", () => {
    assert.deepStrictEqual(succeed(connectStdio, withInit()).trace, [])
  })

  it("puts each descriptor in its place, and closes what was given, each once", () => {
    assert.deepStrictEqual(succeed(connectStdio, withInit({ stdio: [7, 9, 9] })).trace, [
      "dup3(7, 0, O_RDONLY)",
      "dup3(9, 1, O_RDONLY)",
      "dup3(9, 2, O_RDONLY)",
      "close(7)",
      "close(9)"
    ])
  })

  it("fails where one is not open", () => {
    const { code } = fail(connectStdio, withInit({ stdio: [7, 8, 9] }), () => "EBADF")
    assert.strictEqual(code, "EBADF")
    assert.include(connectStdio.advice?.EBADF, "keep it open")
  })
})
