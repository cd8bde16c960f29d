import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { BlockingCalls, type Callers } from "../../../src/native/linux/rpc/BlockingCalls.ts"
import { LoopBudget } from "../../../src/native/linux/rpc/LoopBudget.ts"
import type { Slot } from "../../../src/native/linux/rpc/ServerGroup.ts"

it.effect("what goes wrong once the awaited has come belongs to the fiber that waits, not to the event", () =>
  Effect.gen(function*() {
    let come: (() => void) | undefined
    const calls = new BlockingCalls({
      budget: new LoopBudget(),
      when: (_awaited, go) => {
        come = go
        return () => {}
      }
    } as Partial<Callers> as Callers)
    let looks = 0
    const fiber = yield* Effect.forkChild(
      calls.come(undefined, () => {
        if (looks++ > 0) throw new Error("it has gone")
        return {}
      }),
      { startImmediately: true }
    )
    assert.doesNotThrow(() => come!())
    const exit = yield* Fiber.await(fiber)
    assert.isTrue(Exit.isFailure(exit))
    assert.include(String(exit), "it has gone")
  }))

it.effect("a fiber whose answer has come keeps its place until it is its turn", () =>
  Effect.gen(function*() {
    let [come, turn]: Array<(() => void) | undefined> = []
    const calls = new BlockingCalls({
      budget: { isSpent: true, defer: (go: () => void) => (turn = go, () => {}) } as unknown as LoopBudget,
      when: (_awaited, go) => (come = go, () => {})
    } as Partial<Callers> as Callers)
    const slot = { waiter: undefined } as Slot
    let looks = 0
    const fiber = yield* Effect.forkChild(
      calls.come(undefined, () => looks++ > 0 ? Exit.succeed("it") : { slot }),
      { startImmediately: true }
    )
    come!()
    assert.isDefined(slot.waiter)
    turn!()
    assert.isUndefined(slot.waiter)
    assert.strictEqual(yield* Fiber.join(fiber), "it")
  }))
