/** Calls of this process are made so that they return at once: the thread of JavaScript must not wait. */
import { assert, describe, it } from "@effect/vitest"
import * as Exit from "effect/Exit"
import { F, MAGIC, O, POLL, RESOLVE, S } from "../../../src/native/constants.ts"
import { type Call, SyscallError } from "../../../src/native/Kernel.ts"
import { OwnFiles } from "../../../src/native/linux/rpc/OwnFiles.ts"
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
  return atOnce(make, { _tag: "write", fd: 3, data: new Uint8Array(100) }, new OwnFiles({ turn: 1 }))
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

/** Makes calls of this process, each of which succeeds, and notes which ones the kernel gets. */
const process_ = (budget: { turn: number }, more: Readonly<Record<string, unknown>> = {}) => {
  const files = new OwnFiles(budget)
  const asked: Array<string> = []
  const results: Readonly<Record<string, unknown>> = {
    openat: 3,
    openat2: 3,
    read: new Uint8Array(),
    statx: { mode: S.IFREG },
    poll: [0],
    fcntl: 0,
    ...more
  }
  const make = ((call: Call) => {
    asked.push(call._tag)
    const exit = Exit.succeed(results[call._tag])
    files.seen(call, exit)
    return exit
  }) as Make
  /** The calls that one call takes. */
  const calls = (call: Call) => {
    asked.length = 0
    atOnce(make, call, files)
    return asked.join()
  }
  return { calls, files }
}

const opened = (flags: number): Call => ({ _tag: "openat", dirfd: -100, path: "/f", flags, mode: 0 })
const read: Call = { _tag: "read", fd: 3, count: 10 }
const write: Call = { _tag: "write", fd: 3, data: new Uint8Array(1) }
const nobodyKnows = "poll,fcntl"

describe("a file that this process has just opened", () => {
  it("is read at once if it was opened so that no read waits", () => {
    const { calls } = process_({ turn: 1 })
    calls(opened(O.RDONLY | O.NONBLOCK))
    assert.strictEqual(calls(read), "read")
    calls(opened(O.RDONLY))
    assert.strictEqual(calls(read), nobodyKnows, "another file of the same number")
  })

  it("is written at once if it is a regular file", () => {
    const { calls } = process_({ turn: 1 })
    calls(opened(O.WRONLY))
    assert.strictEqual(calls(write), "statx,write")
    assert.strictEqual(calls(write), "write")
    calls(opened(O.WRONLY | O.CREAT | O.EXCL))
    assert.strictEqual(calls(write), "write")
    calls(opened(O.WRONLY | O.CREAT))
    assert.strictEqual(calls(write), "statx,write")
  })

  it("is written at once if it is of a cgroup, in whose file system there are no others", () => {
    const below = RESOLVE.BENEATH | RESOLVE.NO_XDEV
    const written = (resolve: number, type: number) => {
      const { calls } = process_({ turn: 1 }, { fstatfs: { type } })
      const open = (dirfd: number): Call => ({ ...opened(O.WRONLY), _tag: "openat2", dirfd, resolve }) as Call
      calls(opened(O.PATH | O.DIRECTORY))
      calls({ _tag: "fstatfs", fd: 3 })
      // the directory of the group, and a file in it
      calls(open(3))
      calls(open(3))
      return calls(write)
    }
    for (const type of [MAGIC.CGROUP_SUPER_MAGIC, MAGIC.CGROUP2_SUPER_MAGIC]) {
      assert.strictEqual(written(below | RESOLVE.NO_SYMLINKS, type), "write")
      for (const resolve of [RESOLVE.BENEATH, RESOLVE.NO_XDEV]) {
        assert.strictEqual(written(resolve, type), "statx,write", "it may be of another file system")
      }
    }
    assert.strictEqual(written(below, 0xef53), "statx,write")
  })

  const changes: ReadonlyArray<readonly [string, Call]> = [
    ["is closed", { _tag: "close", fd: 3 }],
    ["is closed with others", { _tag: "close_range", first: 3, last: 4, flags: 0 }],
    ["gets another file", { _tag: "dup3", oldfd: 4, newfd: 3, flags: 0 }],
    ["gets other flags", { _tag: "fcntl", fd: 3, command: F.SETFL, argument: 0 }],
    ["is sent to another process", { _tag: "sendmsg", fd: 5, data: new Uint8Array(), fds: [3], flags: 0 }]
  ]
  it.each(changes)("is asked about again when the descriptor %s", (_, change) => {
    const { calls } = process_({ turn: 1 })
    calls(opened(O.RDONLY | O.NONBLOCK | O.CREAT | O.EXCL))
    assert.strictEqual(calls(read), "read")
    calls(change)
    assert.strictEqual(calls(read), nobodyKnows)
  })

  it("is asked about again in the next turn of the event loop, and when a process is made", () => {
    const budget = { turn: 1 }
    const { calls, files } = process_(budget)
    const again = () => {
      calls(opened(O.RDWR | O.NONBLOCK | O.CREAT | O.EXCL))
      assert.strictEqual(calls(read), "read")
    }
    again()
    budget.turn++
    assert.strictEqual(calls(read), nobodyKnows)
    assert.strictEqual(calls(write), "statx,write")
    again()
    files.forget()
    assert.strictEqual(calls(read), nobodyKnows)
  })
})
