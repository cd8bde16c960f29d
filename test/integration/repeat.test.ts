/** Many containers, one after the other, in one process: nothing is left, and nothing grows. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { containerOf, leavesNothing, makePlace, on, options, type Place, sh } from "../support/containers.ts"
import { descriptors, isolate } from "../support/host.ts"
import { missing } from "../support/rootfs.ts"

let place: Place
beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  place = makePlace()
})
afterAll(() => place?.remove())

describe.skipIf(missing !== undefined)("a process that runs containers", () => {
  it.live("a hundred times more holds no more than before", () =>
    leavesNothing(
      place,
      on(Effect.gen(function*() {
        const run = (index: number) =>
          Effect.gen(function*() {
            const container = containerOf(place, sh(`exit ${index % 7}`), { userns: index % 3 === 0 })
            const { code } = yield* Runtime.run(options(place, container))
            assert.strictEqual(code, index % 7)
          })
        const some = (count: number) => Effect.forEach(Array.from({ length: count }, (_, at) => at), run)
        // by then V8 has optimised what is hot, and its heap has the size that it keeps
        yield* some(150)
        const open = descriptors()
        const listeners = process.listenerCount("SIGCHLD")
        const { rss } = process.memoryUsage()
        yield* some(100)
        assert.deepStrictEqual(descriptors(), open)
        assert.strictEqual(process.listenerCount("SIGCHLD"), listeners)
        assert.isBelow(process.memoryUsage().rss - rss, 40 << 20, "bytes that it has grown by")
      }))
    ), 240_000)
})
