/** Where a process is that `/proc` hid when it was written down. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { State } from "../../../src/steps/state/State.ts"
import { initOf } from "../../../src/steps/state/whereabouts.ts"
import { scripted } from "../../support/scripted.ts"

/** What is told of process 7 that had its pid at tick 500, if `/proc` has this line of it. */
const told = (stat?: string) => {
  let unread: ReadonlyArray<string> = []
  const { layer } = scripted((call) => {
    if (call._tag === "openat") {
      const text = call.path === "/proc/self/status" ? "NSpid:\t1\n" : stat
      if (text === undefined) return "ENOENT"
      unread = [text]
      return 5
    }
    if (call._tag !== "read") return undefined
    const [text = ""] = unread
    unread = []
    return Buffer.from(text)
  })
  return Effect.provide(initOf({ hidden: { pid: 7, heldAt: 500n } } as unknown as State), layer)
}

const line = (state: string, startTime: number) => `7 (a) ${state} 1 ${"0 ".repeat(17)}${startTime} 0`

describe("a first process that /proc hid", () => {
  it.effect("is the one that has its pid and is no younger", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* told(line("S", 500)), { _tag: "Alive", process: { pid: 7, startTime: 500n } })
    }))

  it.effect("is not one that was started later with its pid", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* told(line("S", 501)), { _tag: "Ended" })
    }))

  it.effect("has ended if it is a zombie", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* told(line("Z", 400)))._tag, "Ended")
    }))

  it.effect("is not told of while it is hidden", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* told(), { _tag: "None" })
    }))
})
