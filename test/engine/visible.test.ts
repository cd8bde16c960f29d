import { assert, describe, it } from "@effect/vitest"
import { visible, visibleLine } from "../../src/engine/visible.ts"

describe("visible", () => {
  it("shows what commands a terminal, and leaves words of any language alone", () => {
    assert.strictEqual(visible("\u001b[2J\u009b2J\u0007\r"), "\\x1b[2J\\x9b2J\\x07\\x0d")
    for (const text of ["é", "日本語", "שלום", "a\tb\nc", "👍"]) assert.strictEqual(visible(text), text)
  })

  it("shows what changes the order, what is not seen, and what is half a character", () => {
    assert.strictEqual(visible("a\u202eb\u2066c\u200fd\u061ce"), "a\\u202eb\\u2066c\\u200fd\\u061ce")
    assert.strictEqual(visible("\u200b\ufeff\u00ad\u2028"), "\\u200b\\ufeff\\xad\\u2028")
    assert.strictEqual(visible("\u{e0041}\ud800"), "\\u{e0041}\\ud800")
  })

  it("shows the ends of lines where a line is wanted", () => {
    assert.strictEqual(visibleLine("a\nrunfx: b\tc"), "a\\x0arunfx: b\\x09c")
  })
})
