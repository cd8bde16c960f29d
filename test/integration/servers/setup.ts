/** What the tests of servers share: a child that waits. */
import * as Effect from "effect/Effect"
import { fileURLToPath } from "node:url"
import { O, P, W } from "../../../src/native/constants.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { sys } from "../../../src/native/Kernel.ts"

export const repository = fileURLToPath(new URL("../../../", import.meta.url))

/** A child that waits for a byte; `release` lets it go on. */
export const waiting = (then: Effect.Effect<unknown, unknown, never> = Effect.void) =>
  Effect.gen(function*() {
    const [read, write] = yield* sys.pipe2({ flags: O.CLOEXEC })
    const pid = yield* (yield* Fork).spawn(
      0,
      Effect.gen(function*() {
        yield* sys.close({ fd: write })
        yield* sys.read({ fd: read, count: 1 })
        yield* then
        return yield* sys.exit_group({ status: 7 })
      })
    )
    yield* sys.close({ fd: read })
    return { pid, release: sys.close({ fd: write }), end: sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED }) }
  })
