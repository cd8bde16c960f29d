/** Calls that would take the number of a server's link. */
import { assert, describe, it } from "@effect/vitest"
import { files } from "../../../src/native/linux/files.ts"
import type { Library } from "../../../src/native/linux/koffi.ts"
import { Client, pending } from "../../../src/native/linux/rpc/Client.ts"
import type { Mailbox } from "../../../src/native/linux/rpc/Mailbox.ts"
import { sparing } from "../../../src/native/linux/rpc/sparing.ts"
import type { Scratch } from "../../../src/native/linux/Scratch.ts"
import { numbersFor } from "../../../src/native/linux/syscallNumbers.ts"
import * as Syscalls from "../../../src/native/linux/Syscalls.ts"
import { Refused } from "../../../src/native/Refused.ts"

const { dup3, fcntl } = numbersFor(process.arch)
const EBADF = 9

const thrown = (attempt: () => unknown): unknown => {
  try {
    attempt()
  } catch (cause) {
    return cause
  }
  return undefined
}

/** A server whose link has a number. It answers each call at once, but dup3 only after a wait. */
const serverAt = (fd: number, answers: Readonly<Record<number, ReadonlyArray<number>>>) => {
  const asked: Array<readonly [number, number]> = []
  const left = new Map(Object.entries(answers).map(([number, list]) => [Number(number), [...list]]))
  const mailbox = {
    link: fd as number | undefined,
    isAsked: false,
    isFree: false,
    sleeps: false,
    result: 0,
    ask(number: number, first: number) {
      asked.push([number, first])
      this.result = left.get(number)?.shift() ?? -EBADF
      this.isAsked = number === dup3
      return true
    },
    look() {
      return !this.isAsked
    }
  }
  const memory = { isKept: false, reset: () => undefined } as unknown as Scratch
  const library = {} as Library
  const client = new Client(library, mailbox as unknown as Mailbox, memory)
  const machine = Syscalls.make(library, { raw: client.make, memory })
  const link = { fd: fd as number | undefined }
  const handlers = sparing(files(machine) as Syscalls.Handlers, link, mailbox as unknown as Mailbox, client)
  return { asked, client, handlers, link, mailbox }
}

describe("a dup3 onto the link's number", () => {
  const call = { oldfd: 5, newfd: 9, flags: 0 }

  it("gets its own answer when it has waited, not that of the link's move", () => {
    const { asked, client, handlers, link, mailbox } = serverAt(9, { [fcntl]: [10], [dup3]: [-EBADF] })
    client.begin()
    assert.strictEqual(thrown(() => handlers.dup3(call)), pending)
    mailbox.isAsked = false
    client.resume()
    const error = thrown(() => handlers.dup3(call))
    assert.strictEqual(error instanceof Refused && error.code, "EBADF")
    assert.deepStrictEqual(asked, [[fcntl, 9], [dup3, 5]])
    assert.deepStrictEqual([link.fd, mailbox.link], [10, 10])
  })

  it("does not move the link again if it was given up, and is made once more", () => {
    const { asked, client, handlers, link, mailbox } = serverAt(9, { [fcntl]: [10], [dup3]: [9, 9] })
    client.begin()
    assert.strictEqual(thrown(() => handlers.dup3(call)), pending)
    mailbox.isAsked = false
    client.begin()
    assert.strictEqual(thrown(() => handlers.dup3(call)), pending)
    mailbox.isAsked = false
    client.resume()
    assert.strictEqual(handlers.dup3(call), 9)
    assert.deepStrictEqual(asked, [[fcntl, 9], [dup3, 5], [dup3, 5]])
    assert.strictEqual(link.fd, 10)
  })
})
