/** Who waits for the answer of a server hears of it, whatever becomes of those who have waited before. */
import { assert, describe, it } from "@effect/vitest"
import { mailbox as at } from "../../../src/native/linux/rpc/layout.ts"
import { Mailbox } from "../../../src/native/linux/rpc/Mailbox.ts"
import { ServerGroup, type Slot } from "../../../src/native/linux/rpc/ServerGroup.ts"

/** A slot whose server has been asked, and what the server does. */
const asked = () => {
  const memory = Buffer.alloc(4096)
  const group = new ServerGroup({} as ServerGroup["memory"])
  const mailbox = new Mailbox(memory, 0, 1)
  mailbox.prepare()
  const slot = { group, mailbox, link: { fd: 3 }, server: { current: {} }, isLost: false, waiter: undefined } as Slot
  group.slots.push(slot)
  group.link = { isNeeded: false, expect: () => {} } as unknown as NonNullable<ServerGroup["link"]>
  return {
    group,
    slot,
    answer: () => {
      memory.writeInt32LE(7, at.state)
      group.heard()
    }
  }
}

describe("who waits for a server's answer", () => {
  it("hears of it, also if an earlier wait for another server of the slot is given up late", () => {
    const { answer, group, slot } = asked()
    const heard: Array<string> = []
    const cancel = group.whenAnswered(slot, () => heard.push("first"))
    answer()
    slot.mailbox.prepare()
    group.whenAnswered(slot, () => heard.push("second"))
    // the fiber of a process that has ended is interrupted some time later
    cancel()
    answer()
    assert.deepStrictEqual(heard, ["first", "second"])
  })

  it("hears of nothing once it has given up", () => {
    const { answer, group, slot } = asked()
    group.whenAnswered(slot, () => assert.fail("it was heard"))()
    answer()
    assert.isUndefined(slot.waiter)
  })
})
