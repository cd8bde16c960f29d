import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { thenEnd, tryAll } from "../../src/runtime/endings.ts"

const told = (exit: Exit.Exit<unknown, unknown>): ReadonlyArray<unknown> =>
  Exit.isSuccess(exit) ? [] : exit.cause.reasons.map((reason) => Cause.isFailReason(reason) ? reason.error : "defect")

describe("an end", () => {
  it.effect("tries all of its parts, and tells all that failed", () =>
    Effect.gen(function*() {
      const done: Array<number> = []
      const part = (number: number) => Effect.sync(() => void done.push(number))
      const exit = yield* Effect.exit(
        tryAll<string, never>([part(1), Effect.fail("kill"), part(2), Effect.die("x"), Effect.fail("close"), part(3)])
      )
      assert.deepStrictEqual(done, [1, 2, 3])
      assert.deepStrictEqual(told(exit), ["kill", "defect", "close"])
      assert.isTrue(Exit.isSuccess(yield* Effect.exit(tryAll([part(4)]))))
    }))

  it.effect("stands behind what came before it, and hides none of it", () =>
    Effect.gen(function*() {
      const both = yield* Effect.exit(thenEnd(Exit.fail("first"), Effect.fail("end")))
      assert.deepStrictEqual(told(both), ["first", "end"])
      assert.deepStrictEqual(told(yield* Effect.exit(thenEnd(Exit.succeed(1), Effect.fail("end")))), ["end"])
      assert.deepStrictEqual(told(yield* Effect.exit(thenEnd(Exit.fail("first"), Effect.void))), ["first"])
      assert.strictEqual(yield* thenEnd(Exit.succeed(1), Effect.void), 1)
    }))
})
