/** Descriptors that many use: none is used by its number when it is closed. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { F, O } from "../../src/native/constants.ts"
import { orOn, sys } from "../../src/native/Kernel.ts"
import { lent } from "../../src/runtime/lent.ts"
import { Check } from "../../src/testing/Testing.ts"

describe("a descriptor that is lent", () => {
  it("is open until the last use is over that had begun, and is used no more", async () => {
    const checked = await Check.runPromise(Effect.gen(function*() {
      const [read] = yield* sys.pipe2({ flags: O.CLOEXEC })
      const isOpen = Effect.as(sys.fcntl({ fd: read, command: F.GETFD, argument: 0 }), true).pipe(
        orOn(["EBADF"], false)
      )
      const over = yield* Deferred.make<void>()
      const { letGo, use } = lent(read)
      const user = yield* Effect.forkChild(use(() => Effect.as(Deferred.await(over), "used"), "none"), {
        startImmediately: true
      })
      yield* letGo
      const whileUsed = yield* isOpen
      yield* Deferred.succeed(over, undefined)
      const used = yield* Fiber.join(user)
      return [whileUsed, used, yield* isOpen, yield* use(() => Effect.succeed("used"), "none")] as const
    }))
    assert.deepStrictEqual(Check.succeeded(checked), [true, "used", false, "none"])
  })
})
