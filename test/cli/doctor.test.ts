import { assert, describe, it } from "@effect/vitest"
import { textOf } from "../../src/cli/doctor.ts"

describe("what doctor prints", () => {
  it.each(["json", "text"])("controls no terminal, as %s", (format) => {
    const name = "\u001b]0;title\u0007\u009b2J\u202e"
    const findings = [{ name: "states" as const, ok: false, found: `/run/${name}`, remedy: name }]
    const text = textOf(findings as never, format)
    assert.notMatch(text, /(?![\n])[\p{Cc}\p{Cf}]/u)
    if (format === "json") assert.deepStrictEqual(JSON.parse(text), findings)
  })
})
