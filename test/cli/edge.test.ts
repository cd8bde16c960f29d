import { assert, describe, it } from "@effect/vitest"
import { report } from "../../src/cli/edge.ts"

describe("report", () => {
  it("says what happened and what to do", () => {
    const error = Object.assign(new Error("no\nroom"), { advice: "make\troom" })
    assert.strictEqual(report(error), "runfx: no\nroom\n  what to do: make\troom\n")
  })

  it("lets no name command the terminal", () => {
    assert.strictEqual(report(new Error("\u001b]0;root\u0007é\u009b2J\r")), "runfx: \\x1b]0;root\\x07é\\x9b2J\\x0d\n")
  })
})
