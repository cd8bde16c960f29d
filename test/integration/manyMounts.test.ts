/** A start's time grows with the number of its mounts, and not with the square of it: no mount has the others made again. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import { AT, O, S } from "../../src/native/constants.ts"
import * as Files from "../../src/native/Files.ts"
import { sys } from "../../src/native/Kernel.ts"
import { turnsOf } from "../../src/native/linux/rpc/Client.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { inChild } from "../support/child.ts"
import { mount } from "../support/contained.ts"
import { containerOf, makePlace, on, options, type Place } from "../support/containers.ts"
import { isolate } from "../support/host.ts"
import { missing } from "../support/rootfs.ts"

let place: Place
beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  place = makePlace()
})
afterAll(() => place?.remove())

describe.skipIf(missing !== undefined)("many mounts", () => {
  it.live("cost no turn for a place that the start has made itself", () =>
    on(Effect.gen(function*() {
      const places = Array.from({ length: 20 }, (_, index) => mount("tmpfs", `/dev/shm/${index}`))
      const turns = yield* Effect.forEach([[], places], (more) =>
        Effect.gen(function*() {
          const container = containerOf(place, ["/bin/true"])
          const before = turnsOf()
          yield* Runtime.run(options(place, { ...container, mounts: [...container.mounts, ...more] }))
          return turnsOf() - before
        }))
      // a list holds some hundred calls
      assert.isBelow(turns[1]! - turns[0]!, 10)
    })))

  it.live("have a step run again a few times only, if it reads what each of them covers", () =>
    on(Effect.gen(function*() {
      let runs = 0
      const path = "/"
      const mode = Files.using(
        sys.openat({ dirfd: AT.FDCWD, path, flags: O.PATH | O.CLOEXEC, mode: 0 }),
        (fd) => Effect.map(Files.stat(fd), (stat) => stat.mode & S.IFMT)
      )
      const step = Step.make("early", {
        doc: "",
        calls: ["openat", "statx", "close"],
        reversal: "harmless",
        replayable: true,
        run: Effect.gen(function*() {
          runs++
          for (let look = 0; look < 100; look++) assert.strictEqual(yield* mode, S.IFDIR)
        })
      })
      const pipeline = Pipeline.make({ name: "test", doc: "", inputs: [] }, step)
      yield* inChild(0, Effect.asVoid(Effect.orDie(Pipeline.run(pipeline))))
      assert.isAbove(runs, 1)
      assert.isBelow(runs, 25)
    })))
})
