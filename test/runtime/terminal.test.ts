import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { POLL } from "../../src/native/constants.ts"
import { type Call, Kernel } from "../../src/native/Kernel.ts"
import { readOn, receiveMaster } from "../../src/runtime/terminal.ts"
import { scripted } from "../support/scripted.ts"

/** What is passed on of a terminal that says this of itself each time, and the calls. */
const passed = (events: number, read: (call: Extract<Call, { _tag: "read" }>) => unknown) => {
  const { calls, kernel } = scripted((call) => call._tag === "poll" ? [events] : call._tag === "read" ? read(call) : 0)
  let bytes = 0
  const effect = readOn(7, (chunk) => void (bytes += chunk.length))
  const exit = Effect.runSyncExit(Effect.provideService(effect, Kernel, kernel))
  return { bytes, exit, calls: calls.map(({ _tag }) => _tag) }
}

describe("readOn", () => {
  it("takes what there is, up to the error that is its end", () => {
    const chunks: Array<unknown> = [Buffer.alloc(4095), Buffer.alloc(4095), Buffer.alloc(7), "EIO"]
    const { bytes, exit } = passed(POLL.IN | POLL.HUP, () => chunks.shift())
    assert.strictEqual(exit._tag, "Success")
    assert.strictEqual(bytes, 2 * 4095 + 7)
  })

  it("does not read where that would wait", () => {
    for (const events of [0, POLL.HUP]) assert.deepStrictEqual(passed(events, () => Buffer.alloc(1)).calls, ["poll"])
  })

  it("ends where somebody writes on and on", () => {
    const { bytes } = passed(POLL.IN, ({ count }) => Buffer.alloc(Math.min(count, 4095)))
    assert.strictEqual(bytes, 128 * 1024)
  })

  it("tells any other failure", () => {
    const { exit } = passed(POLL.IN, () => "EBADF")
    assert.strictEqual(exit._tag, "Failure")
    assert.include(String(exit), "EBADF")
  })
})

describe("receiveMaster", () => {
  const received = (fds: ReadonlyArray<number>, modes: unknown) => {
    const { calls, kernel } = scripted(({ _tag }) => _tag === "recvmsg" ? { fds } : _tag === "ioctl_tcgets" ? modes : 0)
    const exit = Effect.runSyncExit(Effect.provideService(receiveMaster(5), Kernel, kernel))
    return { exit, closed: calls.flatMap((call) => call._tag === "close" ? [call.fd] : []) }
  }

  it("takes one terminal, and keeps nothing else", () => {
    const { closed, exit } = received([7, 8, 9], {})
    assert.deepStrictEqual([String(exit), closed], [String(Exit.succeed(7)), [8, 9]])
    assert.deepStrictEqual(received([], {}).closed, [])
  })

  it("takes nothing that is not a terminal, whoever has sent it", () => {
    const { closed, exit } = received([7, 8], "ENOTTY")
    assert.match(String(exit), /ENOTTY.*what came over the console socket is not a terminal/)
    assert.deepStrictEqual(closed, [8, 7])
  })
})
