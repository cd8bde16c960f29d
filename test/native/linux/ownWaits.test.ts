/** Calls of this process are made so that they return at once: the thread of JavaScript must not wait. */
import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import { O, POLL, S } from "../../../src/native/constants.ts"
import { type Call, SyscallError } from "../../../src/native/Kernel.ts"
import { atOnce, type Make } from "../../../src/native/linux/rpc/ownWaits.ts"

/** A file of a type whose writes wait until there is room for all. */
const written = (
  { flags = 0, room, type }: { readonly flags?: number; readonly room: number; readonly type: number }
) => {
  let left = room
  const answer = (call: Call): unknown => {
    switch (call._tag) {
      case "statx":
        return { mode: type }
      case "fcntl":
        return flags
      case "poll":
        return [left > 0 ? POLL.OUT : 0]
      case "write": {
        const count = Math.min(left, call.data.length)
        assert.isTrue(count === call.data.length || (flags & O.NONBLOCK) !== 0, "it waits")
        left -= count
        return count
      }
    }
    return undefined
  }
  const make = ((call: Call) =>
    call._tag === "ioctl_tcgets" && type !== S.IFCHR
      ? Exit.fail(new SyscallError({ call, code: "ENOTTY" }))
      : Exit.succeed(answer(call))) as Make
  return atOnce(make, { _tag: "write", fd: 3, data: new Uint8Array(100) })
}

describe("a write of this process", () => {
  it("is of what a terminal has room for", () => {
    assert.deepStrictEqual(written({ type: S.IFCHR, room: 60 }), Exit.succeed(60))
    assert.deepStrictEqual(written({ type: S.IFCHR, room: 1000 }), Exit.succeed(100))
    assert.isUndefined(written({ type: S.IFCHR, room: 0 }))
    assert.deepStrictEqual(written({ type: S.IFCHR, room: 60, flags: O.NONBLOCK }), Exit.succeed(60))
  })

  it("is whole in a pipe that can be written, and in a file", () => {
    assert.deepStrictEqual(written({ type: S.IFIFO, room: 4096 }), Exit.succeed(100))
    assert.isUndefined(written({ type: S.IFIFO, room: 0 }))
    assert.deepStrictEqual(written({ type: S.IFREG, room: 4096 }), Exit.succeed(100))
  })
})
