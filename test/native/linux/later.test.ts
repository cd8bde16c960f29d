import { assert, it } from "vitest"
import * as Ahead from "../../../src/native/Ahead.ts"
import { S } from "../../../src/native/constants.ts"
import { comingStat, type Journeying } from "../../../src/native/linux/rpc/later.ts"

it("a question that the list has no room for is asked again once the result has come", () => {
  let lost = 0
  const journey: Journeying = {
    check: () => false,
    lose: () => void lost++,
    known: () => undefined,
    learning: () => () => {}
  }
  const at = (address: number) =>
    comingStat(address, journey, address) as unknown as { readonly mode: number; readonly ino: bigint }
  const [one, other] = [at(0x1000), at(0x2000)]
  assert.throws(() => Ahead.is(one, "mode", S.IFREG, { mask: S.IFMT }))
  assert.throws(() => Ahead.isSame(one, other, "ino"))
  assert.strictEqual(lost, 2)
})
