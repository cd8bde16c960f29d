import { assert, describe, it } from "@effect/vitest"
import { closeExecFrom } from "../../src/steps/closeExecFrom.ts"
import { procSelf } from "../support/procSelf.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const calls = (given: Parameters<typeof withInit>[0]) => succeed(closeExecFrom, withInit(given)).trace

describe("closeExecFrom", () => {
  it("closes all but the channel, which exec closes", () => {
    assert.deepStrictEqual(calls({ channel: 10 }), [
      "close_range(3, 9, 0)",
      "close_range(11, 4294967295, 0)",
      "fcntl(10, F_SETFD, 1)"
    ])
    assert.deepStrictEqual(calls({ channel: 3 }), ["close_range(4, 4294967295, 0)", "fcntl(3, F_SETFD, 1)"])
  })

  it("leaves the preserved descriptors as they are", () => {
    assert.deepStrictEqual(calls({ channel: 10, preservedFds: 4 }), [
      "close_range(7, 9, 0)",
      "close_range(11, 4294967295, 0)",
      "fcntl(10, F_SETFD, 1)"
    ])
    assert.deepStrictEqual(calls({ channel: 5, preservedFds: 4 }), ["close_range(7, 4294967295, 0)"])
  })

  it("puts what is given in place, when all others are closed", () => {
    assert.deepStrictEqual(calls({ channel: 10, descriptors: { 3: 20, 7: 12, 9: 20 } }), [
      "close_range(3, 9, 0)",
      "close_range(11, 11, 0)",
      "close_range(13, 19, 0)",
      "close_range(21, 4294967295, 0)",
      "fcntl(10, F_SETFD, 1)",
      "dup3(20, 3, O_RDONLY)",
      "dup3(12, 7, O_RDONLY)",
      "dup3(20, 9, O_RDONLY)",
      "close(20)",
      "close(12)"
    ])
  })

  for (const refusal of ["ENOSYS", "EPERM"]) {
    it(`closes one by one where close_range gives ${refusal}`, () => {
      const proc = procSelf({ fd: "" })
      let listed = false
      const { trace } = succeed(closeExecFrom, withInit({ channel: 10, preservedFds: 1 }), (call) => {
        if (call._tag === "close_range") return refusal
        if (call._tag === "close" && call.fd === 12) return "EBADF"
        if (call._tag !== "getdents64") return proc(call)
        if (listed) return []
        listed = true
        return [0, 2, 3, 4, 10, 11, 12].map((fd) => ({ name: String(fd), ino: 1n, type: "l" }))
      })
      assert.deepStrictEqual(
        trace.slice(trace.lastIndexOf("close(20)") + 1),
        ["close(4)", "close(11)", "close(12)", "fcntl(10, F_SETFD, 1)"]
      )
    })
  }

  it("does not fall back for another error", () => {
    assert.strictEqual(fail(closeExecFrom, withInit(), () => "EIO").code, "EIO")
  })
})
