/** What belongs to one container is in no copy of a step's calls. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Ahead from "../../../src/native/Ahead.ts"
import { AT, O } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { orOn, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { missing } from "../../support/rootfs.ts"
import { eventually } from "../../support/until.ts"
import { counted, Given, inOne, Looked, Made } from "./copies.ts"
import { directory } from "./setup.ts"

const create = (path: string, mode: number) =>
  Files.using(sys.openat({ dirfd: AT.FDCWD, path, flags: O.CREAT | O.CLOEXEC, mode }), () => Effect.void)

const open = (dirfd: number, name: string) =>
  Effect.map(sys.openat({ dirfd, path: name, flags: O.PATH | O.CLOEXEC, mode: 0 }), Number)

describe.skipIf(missing !== undefined)("a deterministic step", () => {
  it.live("gives a text from elsewhere as it is, though it equals a parameter", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const other = path.join(directory, "other")
      fs.mkdirSync(other)
      const own = Effect.flatMap(Ahead.parameter(Given, ({ id }) => id!), (path) => sys.chdir({ path }))
      const { step } = counted(
        "entering",
        Made,
        Effect.andThen(Effect.andThen(own, sys.chdir({ path: directory })), create("here", 0o600))
      )
      for (const id of [directory, directory, directory, other, other]) {
        assert.deepStrictEqual(yield* inOne(kernel, { id, names: [] }, step), [null, null])
        fs.rmSync(path.join(directory, "here"))
      }
      fs.rmdirSync(other)
    }))

  it.live("leaves no descriptor that has its name from another container", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const own = Effect.flatMap(Ahead.parameter(Given, ({ id }) => id!), (name) => open(AT.FDCWD, name))
      const opening = counted("opening own", Made, own)
      // fails, and tells what the descriptor is
      const within = counted("within own", Looked, Effect.flatMap(Made, (fd) => open(fd as number, "x".repeat(300))), [
        Made
      ])
      for (const id of ["/", "/", "/", directory, directory]) {
        const { failed } = (yield* inOne(kernel, { id, names: [] }, opening.step, within.step)) as never as {
          failed: string
        }
        assert.include(failed, `<${id}>, "xxx`)
      }
    }))

  it.live("runs with the room that it had, if a text is a parameter's by chance", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const own = Ahead.parameter(Given, ({ id }) => id!)
      const none = (name: string) => orOn(["ENOENT"], undefined)(Ahead.likelyFails("ENOENT")(sys.chdir({ path: name })))
      const chance = counted("chance", Made, Effect.andThen(none("fixed text"), Effect.flatMap(own, none)))
      const last = counted("last look", Looked, Effect.flatMap(Given, ({ names }) => open(AT.FDCWD, names[0]!)), [
        Given
      ])
      for (const [id, name] of [["a", "/"], ["b", "/"], ["c", "/"], ["fixed text", "/no such file"]] as const) {
        const end = yield* inOne(kernel, { id, names: [name] }, chance.step, last.step)
        if (name === "/") assert.notProperty(end, "failed")
        else assert.match(JSON.stringify(end), /last look: openat.*ENOENT/)
      }
    }))

  it.live("is kept apart from one that runs in another process at the same time", () =>
    Effect.gen(function*() {
      const modes = [0o600, 0o640]
      const there = new Map<number, number>()
      const start = Effect.fnUntraced(function*(mode: number) {
        const kernel = Linux.make()
        let round = 0
        // both are in the middle of the step
        const meet = Effect.suspend(() => {
          there.set(mode, round)
          return round > 2 ? Effect.void : eventually(() => modes.every((one) => (there.get(one) ?? 0) >= round))
        })
        const files = [`${mode} first`, `${mode} second`].map((name) => path.join(directory, name))
        const [first, second] = files.map((name) => create(name, mode))
        const { step } = counted(`mode ${mode}`, Made, Effect.andThen(first!, Effect.andThen(meet, second!)))
        for (round = 1; round <= 4; round++) {
          assert.deepStrictEqual(yield* inOne(kernel, { names: [] }, step), [null, null])
          for (const file of files) {
            assert.strictEqual(fs.statSync(file).mode & 0o777, mode, `${file}, round ${round}`)
            fs.rmSync(file)
          }
        }
      })
      yield* Effect.forEach(modes, start, { concurrency: "unbounded" })
    }))
})
