import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Refused } from "../../src/native/Refused.ts"
import * as Text from "../../src/native/text.ts"

const written = (text: string): Buffer => {
  const buffer = Buffer.alloc(text.length * 3 + 1)
  return buffer.subarray(0, Text.write(buffer, 0, text))
}

describe("text", () => {
  it("is UTF-8", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")), (text) => {
      assert.deepStrictEqual(written(text), Buffer.from(text, "utf8"))
      assert.strictEqual(Text.read(written(text), 0, Buffer.byteLength(text)), text)
    }))
  })

  it("brings any file name back as it was", () => {
    // many bytes of the ranges where valid sequences and broken ones meet
    const byte = fc.oneof(
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom(0xc3, 0xe2, 0xed, 0xef, 0xf0, 0xbf, 0xbd, 0x80, 0xa0)
    )
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 40 }), (bytes) => {
        const name = Buffer.from(bytes)
        assert.isTrue(Text.canWrite(Text.read(name, 0, name.length)))
        assert.deepStrictEqual(written(Text.read(name, 0, name.length)), name)
      }),
      { numRuns: 2000 }
    )
  })

  it("reads the replacement character where it stands in the name", () => {
    const name = Buffer.from("a\ufffdb")
    assert.strictEqual(Text.read(name, 0, name.length), "a\ufffdb")
  })

  it("refuses a NUL and half of a surrogate pair", () => {
    for (const text of ["a\0b", "\0", "x\ud83d", "\udc7f"]) {
      const failure = (() => {
        try {
          return written(text)
        } catch (cause) {
          return cause
        }
      })()
      assert.instanceOf(failure, Refused)
      assert.strictEqual(failure.code, "EINVAL")
      assert.isFalse(Text.canWrite(text))
    }
  })
})
