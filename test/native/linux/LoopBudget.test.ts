import { assert, describe, it } from "@effect/vitest"
import { performance } from "node:perf_hooks"
import { LoopBudget } from "../../../src/native/linux/rpc/LoopBudget.ts"

const turn = () => new Promise<void>((resolve) => void setImmediate(resolve))

/** Keeps the thread until the budget is spent. */
const spend = (budget: LoopBudget): void => {
  const since = performance.now()
  while (!budget.isSpent) assert.isBelow(performance.now() - since, 60_000)
}

describe("the budget of the event loop", () => {
  it("is spent when the calls of a turn have taken long, and there again when the loop has gone round", async () => {
    const budget = new LoopBudget()
    assert.isFalse(budget.isSpent)
    spend(budget)
    await turn()
    await turn()
    assert.isFalse(budget.isSpent)
  })

  it("continues who waits, in their order, but for who was cancelled", async () => {
    const budget = new LoopBudget()
    spend(budget)
    const gone: Array<string> = []
    budget.defer(() => gone.push("first"))
    const cancel = budget.defer(() => gone.push("second"))
    budget.defer(() => gone.push("third"))
    cancel()
    assert.deepStrictEqual(gone, [])
    while (gone.length < 2) await turn()
    assert.deepStrictEqual(gone, ["first", "third"])
  })

  it("continues who begins to wait only when the turn that was spent is over", async () => {
    const budget = new LoopBudget()
    spend(budget)
    await turn()
    await turn()
    const continued = new Promise<void>((resolve) => void budget.defer(resolve))
    await continued
  })

  it("lets who queues continue at once, or behind all who wait, in their turn too", async () => {
    const budget = new LoopBudget()
    const gone: Array<string> = []
    budget.queue(() => gone.push("at once"))
    assert.deepStrictEqual(gone, ["at once"])
    spend(budget)
    budget.defer(() => {
      gone.push("first")
      budget.queue(() => gone.push("last"))
    })
    budget.defer(() => gone.push("second"))
    while (gone.length < 4) await turn()
    assert.deepStrictEqual(gone, ["at once", "first", "second", "last"])
  })

  it("lets the timers come before who waits, if the turn began among timers or descriptors", async () => {
    const budget = new LoopBudget()
    const order: Array<string> = []
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        spend(budget)
        setTimeout(() => order.push("timer"), 0)
        budget.defer(() => resolve(void order.push("waiting")))
        // until the timer is due
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
      }, 0)
    })
    assert.deepStrictEqual(order, ["timer", "waiting"])
  })

  it("stays spent until the timers have come", async () => {
    const budget = new LoopBudget()
    await new Promise<void>((resolve) => {
      setTimeout(() => {
        spend(budget)
        // behind the budget's own
        setImmediate(() => {
          assert.isTrue(budget.isSpent)
          resolve()
        })
      }, 0)
    })
    await turn()
    assert.isFalse(budget.isSpent)
  })
})
