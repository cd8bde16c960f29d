import { assert, describe, it } from "@effect/vitest"
import { MAGIC, POLL } from "../../src/native/constants.ts"
import type { Call } from "../../src/native/Kernel.ts"
import { closeExecFrom } from "../../src/steps/closeExecFrom.ts"
import { procSelf } from "../support/procSelf.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

/** A process with these descriptors open, of which some are the event loop's. */
const host = (open: ReadonlyArray<number>, eventLoop: ReadonlyArray<number>) => (call: Call): unknown => {
  if (call._tag === "poll") return call.fds.map((fd) => open.includes(fd) ? 0 : POLL.NVAL)
  if (call._tag !== "fstatfs") return undefined
  return { type: eventLoop.includes(call.fd) ? MAGIC.ANON_INODE_FS_MAGIC : MAGIC.TMPFS_MAGIC, flags: 0 }
}

const ranges = (given: Parameters<typeof withInit>[0], eventLoop: ReadonlyArray<number> = []) => {
  const { trace } = succeed(closeExecFrom, withInit(given), host([0, 1, 2, ...eventLoop, 10, 12], eventLoop))
  return trace.filter((call) => call.startsWith("close_range"))
}

describe("closeExecFrom", () => {
  it("marks all, then closes all but the channel", () => {
    assert.deepStrictEqual(ranges({ channel: 10 }), [
      "close_range(3, 4294967295, CLOSE_RANGE_CLOEXEC)",
      "close_range(3, 9, 0)",
      "close_range(11, 4294967295, 0)"
    ])
    assert.deepStrictEqual(ranges({ channel: 3 }).slice(1), ["close_range(4, 4294967295, 0)"])
  })

  it("spares the event loop's, which libuv may not miss", () => {
    assert.deepStrictEqual(ranges({ channel: 10 }, [3, 4, 11, 20]).slice(1), [
      "close_range(5, 9, 0)",
      "close_range(12, 19, 0)",
      "close_range(21, 4294967295, 0)"
    ])
  })

  it("leaves the preserved descriptors as they are", () => {
    assert.deepStrictEqual(ranges({ channel: 10, preservedFds: 4 }, [3, 8]), [
      "close_range(7, 4294967295, CLOSE_RANGE_CLOEXEC)",
      "close_range(7, 7, 0)",
      "close_range(9, 9, 0)",
      "close_range(11, 4294967295, 0)"
    ])
    assert.deepStrictEqual(ranges({ channel: 5, preservedFds: 4 }).slice(1), ["close_range(7, 4294967295, 0)"])
  })

  for (const refusal of ["ENOSYS", "EINVAL", "EPERM"]) {
    it(`closes one by one where close_range gives ${refusal}`, () => {
      const proc = procSelf({ fd: "" })
      const process = host([], [11])
      let listed = false
      const { trace } = succeed(closeExecFrom, withInit({ channel: 10, preservedFds: 1 }), (call) => {
        if (call._tag === "close_range") return refusal
        if (call._tag === "close" && call.fd === 12) return "EBADF"
        if (call._tag === "fstatfs" && call.fd < 20) return process(call)
        if (call._tag !== "getdents64") return proc(call)
        if (listed) return []
        listed = true
        return [0, 2, 3, 4, 10, 11, 12].map((fd) => ({ name: String(fd), ino: 1n, type: "l" }))
      })
      assert.deepStrictEqual(
        trace.slice(trace.lastIndexOf("close(20)") + 1).filter((call) => !call.startsWith("fstatfs")),
        [
          "close(4)",
          "fcntl(10, F_SETFD, 1)",
          "fcntl(11, F_SETFD, 1)",
          "close(12)"
        ]
      )
    })
  }

  it("does not fall back for another error", () => {
    assert.strictEqual(fail(closeExecFrom, withInit(), () => "EIO").code, "EIO")
  })
})
