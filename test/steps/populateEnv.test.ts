import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { environmentFor } from "../../src/steps/init/environment.ts"
import { populateEnv } from "../../src/steps/populateEnv.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const check = (...env: ReadonlyArray<string>) => succeed(populateEnv, withInit({ process: { env } }))

describe("populateEnv", () => {
  it("keeps the last value of each name, at the place of its last mention, and makes no call", () => {
    const { trace, value } = check("A=1", "PATH=/bin", "B=2", "A=3=4", "EMPTY=")
    assert.deepStrictEqual(value, {
      entries: [["PATH", "/bin"], ["B", "2"], ["A", "3=4"], ["EMPTY", ""]],
      path: "/bin"
    })
    assert.deepStrictEqual(trace, [])
  })

  it("says that there is no PATH", () => {
    assert.deepStrictEqual(check().value, { entries: [], path: undefined })
  })

  for (
    const [entry, problem] of [
      ["A\0=1", "holds a NUL byte"],
      ["A=1\0", "holds a NUL byte"],
      ["A", "has no \"=\""],
      ["", "has no \"=\""],
      ["=1", "has an empty name"]
    ] as const
  ) {
    it(`refuses ${JSON.stringify(entry)}`, () => {
      const { message, tag } = fail(populateEnv, withInit({ process: { env: ["OK=1", entry] } }))
      assert.strictEqual(tag, "InvalidEnvironment")
      const name = entry.includes("=") ? entry.split("=", 1)[0] : ""
      assert.strictEqual(message, `process.env[1]${name === "" ? "" : ` (${JSON.stringify(name)})`} ${problem}`)
    })
  }
})

describe("a secret", () => {
  it("is read where it is redacted", () => {
    const env = ["A=1", Redacted.make("TOKEN=secret"), "B=2"]
    const { value } = succeed(populateEnv, withInit({ process: { env } }))
    assert.deepStrictEqual(value, { entries: [["A", "1"], ["TOKEN", "secret"], ["B", "2"]], path: undefined })
  })

  it("is not told by the error of its entry", () => {
    for (const entry of ["secret", "=secret", "A=secret\0", Redacted.make("secret"), Redacted.make("A=\0secret")]) {
      const { message, error } = fail(populateEnv, withInit({ process: { env: [entry] } }))
      assert.notInclude(message + inspect(error, { depth: 20 }) + JSON.stringify(error), "secret")
    }
    const { message } = fail(populateEnv, withInit({ process: { env: [Redacted.make(7 as never)] } }))
    assert.strictEqual(message, "process.env[0] is no text")
  })
})

describe("environmentFor", () => {
  const home = { home: "/home/u" }

  it("adds HOME where it is unset or empty, and leaves PATH alone", () => {
    assert.deepStrictEqual(
      environmentFor({ entries: [["PATH", "/bin"]], path: "/bin" }, home),
      ["PATH=/bin", "HOME=/home/u"]
    )
    assert.deepStrictEqual(
      environmentFor({ entries: [["HOME", ""], ["A", "1"]], path: undefined }, home),
      ["A=1", "HOME=/home/u"]
    )
  })

  it("keeps a HOME that is set", () => {
    assert.deepStrictEqual(environmentFor({ entries: [["HOME", "/x"]], path: undefined }, home), ["HOME=/x"])
  })
})
