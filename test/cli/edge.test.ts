import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import process from "node:process"
import { onLinux, report } from "../../src/cli/edge.ts"

describe("report", () => {
  it("says what happened and what to do", () => {
    const error = Object.assign(new Error("no\nroom"), { advice: "make\troom" })
    assert.strictEqual(report(error), "runfx: no\nroom\n  what to do: make\troom\n")
  })

  it("lets no name command the terminal", () => {
    assert.strictEqual(report(new Error("\u001b]0;root\u0007é\u009b2J\r")), "runfx: \\x1b]0;root\\x07é\\x9b2J\\x0d\n")
  })
})

describe("onLinux", () => {
  it("listens to signals before anything is made", async () => {
    let listening = false
    const look = Effect.sync(() => {
      listening = ["SIGINT", "SIGTERM"].every((name) => process.listenerCount(name) > before[name]!)
      return 0
    })
    const before: Record<string, number> = {
      SIGINT: process.listenerCount("SIGINT"),
      SIGTERM: process.listenerCount("SIGTERM")
    }
    await onLinux(look)
    process.exitCode = undefined
    assert.isTrue(listening)
    assert.strictEqual(process.listenerCount("SIGINT"), before["SIGINT"])
  })
})
