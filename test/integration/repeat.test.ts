/** Many containers, one after the other, in one process: nothing is left, and nothing grows. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { containerOf, leavesNothing, on, options, sh } from "../support/containers.ts"
import { descriptors } from "../support/host.ts"
import { ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"
import { eventually } from "../support/until.ts"

const place = ownPlace()

setFlagsFromString("--expose-gc")
const collect = runInNewContext("gc") as () => void

/** How many bytes of the heap are in use, apart from what is only not collected yet. */
const heapUsed = (): number => {
  collect()
  return process.memoryUsage().heapUsed
}

const piecesOfMemory = (): number => fs.readFileSync("/proc/self/maps", "utf8").match(/memfd:runfx-/g)?.length ?? 0

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
        yield* some(50)
        const open = descriptors()
        const listeners = process.listenerCount("SIGCHLD")
        const before = { heap: heapUsed(), pieces: piecesOfMemory() }
        yield* some(100)
        assert.deepStrictEqual(descriptors(), open)
        assert.strictEqual(process.listenerCount("SIGCHLD"), listeners)
        assert.isAtMost(piecesOfMemory(), before.pieces)
        // some code is compiled meanwhile, and what has a finalizer goes a turn later; a container that was kept has 20 KiB
        yield* eventually(() => (heapUsed() - before.heap) / 100 < 16 << 10)
      }))
    ))
})
