/** Where something that the undo itself would need is short, or refused: nothing is left all the same. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as Linux from "../../src/native/linux/Linux.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { begin, type Command, makeCommand } from "../support/command.ts"
import { containerOf, failureOf, leavesNothing, makePlace, on, type Place } from "../support/containers.ts"
import { failNth } from "../support/faults.ts"
import { cgroups, isolate } from "../support/host.ts"
import { missing } from "../support/rootfs.ts"

let place: Place
let command: Command
beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  place = makePlace()
  command = makeCommand()
})
afterAll(() => {
  place?.remove()
  command?.remove()
})

describe.skipIf(missing !== undefined)("a start", () => {
  it("that runs out of descriptors at any point leaves nothing", async () => {
    const id = place.id()
    // Node itself needs some twenty
    for (let limit = 20; limit <= 34; limit++) {
      const { code, stderr } = await begin("prlimit", [
        `--nofile=${limit}:${limit}`,
        command.file,
        "--root",
        command.stateRoot,
        "run",
        "--id",
        id,
        "--",
        "/bin/true"
      ]).ended
      const what = `with ${limit} descriptors: ${stderr}`
      assert.isTrue(code === 0 || /EMFILE|EPERM|Too many open files/.test(stderr), what)
      assert.isTrue(!fs.existsSync(command.stateRoot) || fs.readdirSync(command.stateRoot).length === 0, what)
      assert.isEmpty(cgroups(id), what)
    }
  })

  it.live("where waitid(2) is refused for good fails, and leaves nothing but what only it could reap", () =>
    Effect.gen(function*() {
      const id = place.id()
      const { kernel } = failNth(Linux.make(), ({ _tag }) => _tag === "waitid", "ENOSYS", "every")
      const exit = yield* Effect.exit(
        on(Runtime.run({ id, container: containerOf(place, ["/bin/true"]), stateRoot: place.stateRoot }), kernel)
      )
      assert.include(String(failureOf(exit)), "ENOSYS")
      assert.isFalse(fs.existsSync(`${place.stateRoot}/${id}`))
      assert.isEmpty(cgroups(id))
    }))

  it.live("whose program's end can't be learned is killed and removed", () =>
    leavesNothing(
      place,
      Effect.gen(function*() {
        const id = place.id()
        const container = containerOf(place, ["/bin/sleep", "1000"])
        const live = Linux.make()
        let running = false
        const { kernel } = failNth(live, ({ _tag }) => running && _tag === "waitid", "ENOSYS", 1)
        const exit = yield* Effect.exit(
          on(
            Runtime.run({ id, container, stateRoot: place.stateRoot }, () => Effect.sync(() => void (running = true))),
            kernel
          )
        )
        assert.include(String(failureOf(exit)), "ENOSYS")
      })
    ))
})
