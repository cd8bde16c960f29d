import { assert, describe, it } from "@effect/vitest"
import { ConfigError, problem } from "../../src/config/ConfigError.ts"

describe("a configuration that is refused", () => {
  it("lists the first of many problems, and counts the rest", () => {
    const problems = Array.from({ length: 100_000 }, (_, index) => problem(`mounts[${index}]`, 5, "must be an object"))
    const lines = new ConfigError({ problems }).message.split("\n")
    assert.strictEqual(lines.length, 21)
    assert.strictEqual(lines[0], "mounts[0] = 5: must be an object")
    assert.strictEqual(lines[20], "and 99980 more")
    assert.strictEqual(new ConfigError({ problems: problems.slice(0, 20) }).message.split("\n").length, 20)
  })

  it("cuts long names and values", () => {
    const { message } = new ConfigError({ problems: [problem("k".repeat(1e6), "v".repeat(1e6), "must be short")] })
    assert.strictEqual(message, `${"k".repeat(120)}… = "${"v".repeat(119)}…: must be short`)
  })
})
