/** How many starts are on their way at a time. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { Admission } from "../../src/runtime/admission.ts"
import { eventually } from "../support/until.ts"

/** Longer than any test. */
const always = 3_600_000

/** Starts that note when they begin, and end when they are told to. */
const startsOf = (admission: Admission) => {
  const begun: Array<string> = []
  const start = (name: string, most: number) =>
    Effect.gen(function*() {
      const told = yield* Deferred.make<void, string>()
      const fiber = yield* Effect.forkDetach(
        Effect.uninterruptibleMask((restore) =>
          admission.admit(restore, most, (done) => {
            begun.push(name)
            return Effect.as(restore(Deferred.await(told)), done)
          })
        ),
        { startImmediately: true }
      )
      return { fiber, told, end: Effect.andThen(Deferred.succeed(told, undefined), Fiber.await(fiber)) }
    })
  return { begun, start }
}

describe("starts", () => {
  it.live("begin in their order, so many at a time", () =>
    Effect.gen(function*() {
      const { begun, start } = startsOf(new Admission(always))
      const first = yield* start("first", 2)
      const second = yield* start("second", 2)
      const third = yield* start("third", 2)
      const fourth = yield* start("fourth", 2)
      assert.deepStrictEqual(begun, ["first", "second"])
      yield* second.end
      yield* eventually(() => begun.length === ["first", "second", "third"].length)
      assert.deepStrictEqual(begun, ["first", "second", "third"])
      yield* Deferred.fail(first.told, "failed")
      yield* eventually(() => begun.length === ["first", "second", "third", "fourth"].length)
      assert.deepStrictEqual(begun, ["first", "second", "third", "fourth"])
      yield* Effect.all([third.end, fourth.end])
      yield* (yield* start("fifth", 1)).end
      assert.strictEqual(begun.length, 5)
    }))

  it.live("that are interrupted while they wait let those behind them begin", () =>
    Effect.gen(function*() {
      const { begun, start } = startsOf(new Admission(always))
      const first = yield* start("first", 1)
      const second = yield* start("second", 1)
      const third = yield* start("third", 2)
      assert.deepStrictEqual(begun, ["first"])
      yield* Fiber.interrupt(second.fiber)
      yield* eventually(() => begun.length === ["first", "third"].length)
      assert.deepStrictEqual(begun, ["first", "third"])
      yield* Effect.all([first.end, third.end])
    }))

  it.live("that take long do not count any more, so that one in another does not wait for itself", () =>
    Effect.gen(function*() {
      const admission = new Admission(1)
      const inner = admission.admit((wait) => wait, 1, () => Effect.succeed("inner"))
      assert.strictEqual(yield* admission.admit((wait) => wait, 1, () => inner), "inner")
    }))

  it.live("that take long let one begin for each of them, and no more", () =>
    Effect.gen(function*() {
      let now = 0
      const { begun, start } = startsOf(new Admission(always, () => now))
      const first = yield* start("first", 1)
      now = always + 1
      const second = yield* start("second", 1)
      const third = yield* start("third", 1)
      assert.deepStrictEqual(begun, ["first", "second"])
      yield* second.end
      yield* eventually(() => begun.length === 3)
      yield* Effect.all([first.end, third.end])
    }))

  it.live("that are done before their end count until then", () =>
    Effect.gen(function*() {
      const admission = new Admission(always)
      const exit = yield* Effect.exit(admission.admit(
        (wait) => wait,
        1,
        (done) =>
          Effect.andThen(
            done,
            admission.admit((wait) => wait, 1, () => Effect.succeed("inner"))
          )
      ))
      assert.deepStrictEqual(exit, Exit.succeed("inner"))
    }))
})
