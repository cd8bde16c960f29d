import { assert, describe, it } from "@effect/vitest"
import { exactArguments } from "../../src/cli/arguments.ts"
import { encode } from "../../src/native/text.ts"

const line = (...args: ReadonlyArray<string | Buffer>): Buffer =>
  Buffer.concat(args.flatMap((arg) => [Buffer.from(arg as string), Buffer.of(0)]))

const never = (): Buffer => assert.fail("the kernel is asked for nothing")

describe("exactArguments", () => {
  it("leaves alone what is UTF-8", () => {
    const given = ["run", "é", "", "日本"]
    assert.strictEqual(exactArguments(given, never), given)
  })

  it("has the bytes that Node has replaced", () => {
    const bytes = Buffer.of(0x61, 0xff, 0xfe, 0x7a)
    const given = ["run", bytes.toString("utf8"), "", "é"]
    const exact = exactArguments(given, () => line("node", "--", "bin/runfx", "run", bytes, "", "é"))
    assert.deepStrictEqual(exact, ["run", "a\udcff\udcfez", "", "é"])
    assert.deepStrictEqual(encode(exact[1]!), bytes)
  })

  it("keeps the character that stands for what is lost, where it was given", () => {
    assert.deepStrictEqual(exactArguments(["\ufffd"], () => line("node", "x", "\ufffd")), ["\ufffd"])
  })

  it("refuses where the bytes can't be had", () => {
    assert.throws(
      () => exactArguments(["a", "\ufffd"], () => line("node", "b", "\ufffd", "c")),
      /argument 2, .* is not UTF-8, and its bytes are lost: .*cmdline/
    )
    assert.throws(() => exactArguments(["\ufffd"], () => Buffer.alloc(0)), /cmdline/)
    assert.throws(
      () =>
        exactArguments(["\ufffd"], () => {
          throw new Error("ENOENT: no /proc")
        }),
      /argument 1, .*: ENOENT: no \/proc/
    )
  })
})
