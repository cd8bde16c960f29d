import { assert, describe, it } from "vitest"
import type { Library } from "../../../src/native/linux/koffi.ts"
import { messages } from "../../../src/native/linux/messages.ts"
import { type Region, Scratch } from "../../../src/native/linux/Scratch.ts"
import { cmsghdr, msghdr } from "../../../src/native/linux/structs.ts"
import { numbersFor } from "../../../src/native/linux/syscallNumbers.ts"
import type { Syscall } from "../../../src/native/linux/Syscalls.ts"

/** A process whose memory somebody of its container writes: `answer` is what a call comes to, in that memory. */
const hostile = (answer: (memory: DataView, args: ReadonlyArray<number>) => number) => {
  const bytes = Buffer.alloc(0x40000)
  const region: Region = { address: 0x1000, size: bytes.length, front: bytes, whole: () => bytes }
  const memory = new Scratch({} as Library, region)
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const call: Syscall = (_number, ...args) => answer(view, args.map((word) => Number(word) - 0x1000))
  return { call, retry: call, memory, numbers: numbersFor("x64") }
}

describe("an answer that somebody else has written", () => {
  it("ends, though the head of a control message has a length whose padding is nothing in 32 bits", () => {
    const { recvmsg } = messages(hostile((memory, [, header = 0]) => {
      const control = Number(memory.getBigUint64(header + msghdr.fields.msg_control.at, true)) - 0x1000
      memory.setBigUint64(header + msghdr.fields.msg_controllen.at, 2n ** 33n, true)
      memory.setBigUint64(control + cmsghdr.fields.cmsg_len.at, 2n ** 32n, true)
      return 1
    }))
    assert.deepStrictEqual(recvmsg({ _tag: "recvmsg", fd: 3, size: 8, flags: 0 } as never).fds, [])
  })
})
