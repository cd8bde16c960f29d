/** What a pool keeps in stock, with sandboxes that are none. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Fork } from "../../src/native/Fork.ts"
import { Kernel } from "../../src/native/Kernel.ts"
import { type SandboxError, SandboxFailed } from "../../src/sandbox/SandboxError.ts"
import { type Item, type PoolEvent, Stock } from "../../src/sandbox/stock.ts"
import type { Waiting } from "../../src/sandbox/waiting.ts"

const failure = (code: string) => new SandboxFailed({ step: "", code, problem: code, cause: undefined })

interface Made {
  readonly id: string
  readonly breaks: Deferred.Deferred<void, SandboxError>
}

/** A stock of sandboxes that are made when the test says so. */
const setup = (options: { readonly size: number; readonly concurrency: number }) =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const asked: Array<Deferred.Deferred<void, SandboxError>> = []
    const made: Array<Made> = []
    const closed: Array<string> = []
    const events: Array<PoolEvent> = []
    const make = Effect.gen(function*() {
      const go = yield* Deferred.make<void, SandboxError>()
      asked.push(go)
      yield* Deferred.await(go)
      const breaks = yield* Deferred.make<void, SandboxError>()
      const id = String(made.length)
      made.push({ id, breaks })
      yield* Effect.addFinalizer(() => Effect.sync(() => void closed.push(id)))
      return { id, ends: Deferred.await(breaks) } as unknown as Waiting
    })
    // nothing here makes a call
    const run = (effect: Effect.Effect<unknown, never, Kernel | Fork>) =>
      void Effect.runFork(Effect.forkIn(effect as Effect.Effect<unknown>, scope))
    const stock = new Stock(
      { ...options, make, tell: (event) => Effect.sync(() => void events.push(event)) },
      scope,
      run
    )
    stock.fill()
    /** Has the next ones made. */
    const finish = (count: number) =>
      Effect.gen(function*() {
        for (let index = 0; index < count; index++) {
          while (asked.length === 0) yield* Effect.promise(() => new Promise(setImmediate))
          yield* Deferred.succeed(asked.shift()!, undefined)
        }
        yield* settled
      })
    return { asked, closed, events, finish, made, scope, stock }
  })

const settled = Effect.promise(async () => {
  for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
})

const take = (stock: Stock) =>
  Effect.suspend(() => {
    let item: Item | undefined
    return Effect.map(stock.take((one) => void (item = one)), (one) => {
      assert.strictEqual(one, item)
      return one
    })
  })

describe("Stock", () => {
  it.live("makes as many as are missing, no more at the same time than may be", () =>
    Effect.gen(function*() {
      const { asked, finish, stock } = yield* setup({ size: 5, concurrency: 2 })
      yield* settled
      assert.lengthOf(asked, 2)
      yield* finish(1)
      assert.deepStrictEqual([asked.length, stock.waiting], [2, 1])
      yield* finish(4)
      assert.deepStrictEqual([asked.length, stock.waiting], [0, 5])
      yield* stock.has(5)
    }))

  it.live("gives each away once, that which has waited longest first, and makes another one", () =>
    Effect.gen(function*() {
      const { asked, finish, made, stock } = yield* setup({ size: 2, concurrency: 2 })
      yield* finish(2)
      const items = [yield* take(stock), yield* take(stock)]
      assert.deepStrictEqual(items.map(({ waiting }) => waiting.id), ["0", "1"])
      assert.strictEqual(stock.waiting, 0)
      const third = yield* Effect.forkChild(take(stock))
      yield* finish(1)
      items.push(yield* Fiber.join(third))
      assert.strictEqual(items.at(-1)?.waiting.id, "2")
      for (const item of items) stock.served(item)
      yield* settled
      assert.lengthOf(asked, 2)
      yield* finish(2)
      assert.deepStrictEqual([made.length, stock.waiting], [5, 2])
    }))

  it.live("replaces one that was taken when its program runs, or is given up, and not before", () =>
    Effect.gen(function*() {
      const { asked, finish, stock } = yield* setup({ size: 2, concurrency: 2 })
      // who waits until all are there takes one at once, within the news of it
      const first = yield* Effect.forkChild(Effect.andThen(stock.has(2), take(stock)), { startImmediately: true })
      yield* finish(2)
      const items = [yield* Fiber.join(first), yield* take(stock)] as const
      yield* settled
      assert.deepStrictEqual([asked.length, stock.waiting], [0, 0])
      stock.served(items[0])
      stock.givenUp(items[0])
      yield* settled
      assert.lengthOf(asked, 1)
      stock.givenUp(items[1])
      yield* settled
      assert.lengthOf(asked, 2)
    }))

  it.live("tells who waits longest what the next one failed with, and tries again", () =>
    Effect.gen(function*() {
      const { asked, events, finish, stock } = yield* setup({ size: 1, concurrency: 1 })
      const fiber = yield* Effect.forkChild(Effect.flip(take(stock)))
      yield* settled
      yield* Deferred.fail(asked.shift()!, failure("EAGAIN"))
      const error = yield* Fiber.join(fiber)
      assert.strictEqual((error as SandboxFailed).code, "EAGAIN")
      assert.deepStrictEqual(events.map(({ _tag }) => _tag), ["Failed"])
      // somebody asks: it does not rest any longer
      const next = yield* Effect.forkChild(take(stock))
      yield* finish(1)
      assert.strictEqual((yield* Fiber.join(next)).waiting.id, "0")
    }))

  it.live("replaces one that breaks while it waits, and says so", () =>
    Effect.gen(function*() {
      const { closed, events, finish, made, stock } = yield* setup({ size: 2, concurrency: 2 })
      yield* finish(2)
      yield* Deferred.fail(made[0]!.breaks, failure("InitDied"))
      yield* settled
      assert.deepStrictEqual(closed, ["0"])
      assert.deepStrictEqual(events.map((event) => [event._tag, "id" in event ? event.id : ""]), [
        ["Ready", "0"],
        ["Ready", "1"],
        ["Broken", "0"]
      ])
      yield* finish(1)
      assert.strictEqual(stock.waiting, 2)
    }))

  it.live("forgets who does not wait any more, and tells at once who has got one", () =>
    Effect.gen(function*() {
      const { finish, stock } = yield* setup({ size: 1, concurrency: 1 })
      const gone = yield* Effect.forkChild(take(stock))
      yield* settled
      yield* Fiber.interrupt(gone)
      yield* finish(1)
      assert.strictEqual(stock.waiting, 1)
    }))

  it.live("keeps no more than it is to have if one was made for somebody who has gone", () =>
    Effect.gen(function*() {
      const { asked, closed, finish, stock } = yield* setup({ size: 1, concurrency: 2 })
      const gone = yield* Effect.forkChild(take(stock))
      yield* settled
      assert.lengthOf(asked, 2)
      yield* Fiber.interrupt(gone)
      yield* finish(2)
      assert.strictEqual(stock.waiting, 1)
      assert.deepStrictEqual(closed, ["1"])
    }))

  it.live("gives nothing and makes nothing when it is closed, and all that waited is ended", () =>
    Effect.gen(function*() {
      const { asked, closed, finish, scope, stock } = yield* setup({ size: 2, concurrency: 1 })
      yield* finish(1)
      yield* take(stock)
      const waits = yield* Effect.forkChild(Effect.flip(take(stock)))
      yield* settled
      stock.close()
      assert.strictEqual(((yield* Fiber.join(waits)) as SandboxFailed).code, "PoolClosed")
      assert.strictEqual(((yield* Effect.flip(take(stock))) as SandboxFailed).code, "PoolClosed")
      const before = asked.length
      stock.fill()
      yield* settled
      assert.lengthOf(asked, before)
      yield* Scope.close(scope, yield* Effect.exit(Effect.void))
      assert.deepStrictEqual(closed, ["0"])
    }))
})
