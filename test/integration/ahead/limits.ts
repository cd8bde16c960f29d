/** Copies at their limits: long lists, full drafts, and a process that ends in the middle of them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as process from "node:process"
import { AT, O, SIG } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { orOn, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { turnsOf } from "../../../src/native/linux/rpc/Client.ts"
import { mostData } from "../../../src/native/linux/rpc/Draft.ts"
import { missing } from "../../support/rootfs.ts"
import { eventually } from "../../support/until.ts"
import { counted, Given, inOne, Looked, Made } from "./copies.ts"
import { directory, waiting } from "./setup.ts"

const opened = (name: string, flags: number) =>
  sys.openat({ dirfd: AT.FDCWD, path: path.join(directory, name), flags: flags | O.CLOEXEC, mode: 0o600 })

/** Creates a file; it has three entries in the list. */
const create = (name: string) =>
  Files.using(opened(name, O.CREAT | O.WRONLY), (fd) => sys.write({ fd, data: Buffer.from(name) }))

/** A step that creates files. */
const creating = (name: string) =>
  counted(
    name,
    Made,
    Effect.flatMap(Given, ({ names }) => Effect.as(Effect.forEach(names, create, { discard: true }), names.length))
  )

/** This process's children. */
const children = (): ReadonlyArray<number> =>
  fs.readdirSync("/proc/self/task").flatMap((task) =>
    fs.readFileSync(`/proc/self/task/${task}/children`, "utf8").split(" ").filter(Boolean).map(Number)
  )

describe.skipIf(missing !== undefined)("a deterministic step", () => {
  it.live("is copied in one list, also if it has more calls than another list may have", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const { runs, step } = creating("creating many")
      const names = Array.from({ length: 1000 }, (_, index) => `many ${index % 10}`)
      const turns: Array<number> = []
      for (let start = 0; start < 4; start++) {
        const before = turnsOf()
        assert.deepStrictEqual(yield* inOne(kernel, { names }, step), [1000, null])
        turns.push(turnsOf() - before)
      }
      assert.strictEqual(runs.count, 2)
      assert.isAtMost(turns[2]!, turns[0]! - 2)
      // the last call but two, and the first
      for (const name of ["many 9", "many 0"]) {
        const file = path.join(directory, name)
        fs.rmSync(file)
        fs.mkdirSync(file)
        const ahead = yield* inOne(kernel, { names }, step)
        assert.deepStrictEqual(ahead, yield* inOne(waiting(kernel), { names }, step))
        assert.match(JSON.stringify(ahead), new RegExp(`openat.*${name}.*EISDIR`))
        fs.rmdirSync(file)
      }
    }))

  it.live("is kept if its arguments end exactly at the limit, and runs each time if they are longer", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const chunk = 0x1_0000
      const target = path.join(directory, "filled")
      // a text has room for three bytes a letter, and its NUL
      const room = mostData - (target.length * 3 + 1 + 7 & ~7)
      for (const [more, expected] of [[0, 2], [1, 4]] as const) {
        const size = room + more
        const data = Buffer.alloc(size, "some text of 19 bytes")
        const { runs, step } = counted(
          `filling with ${more} more`,
          Made,
          Files.using(
            opened("filled", O.CREAT | O.WRONLY | O.TRUNC),
            (fd) =>
              Effect.forEach(
                Array.from({ length: Math.ceil(size / chunk) }, (_, index) => index * chunk),
                (at) => sys.write({ fd, data: data.subarray(at, at + chunk) }),
                { discard: true }
              )
          )
        )
        for (let start = 0; start < 4; start++) {
          assert.deepStrictEqual(yield* inOne(kernel, { names: [] }, step), [null, null])
          assert.isTrue(fs.readFileSync(target).equals(data))
        }
        assert.strictEqual(runs.count, expected)
      }
    }))

  it.live("does nothing more if its process is killed in the middle of it, and is copied for the next one", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const fifo = path.join(directory, "fifo")
      execFileSync("mkfifo", [fifo])
      const before = creating("before")
      const passing = counted(
        "passing",
        Looked,
        Effect.gen(function*() {
          yield* create("reached")
          yield* Files.using(opened("fifo", O.RDONLY), () => Effect.void)
          yield* create("passed")
          // fails each time: what was expected of it is known
          return yield* orOn(["ENOENT"], "none")(Effect.asVoid(opened("none", O.RDONLY)))
        }),
        [Made]
      )
      const start = inOne(kernel, { names: ["first"] }, before.step, passing.step)
      // as long as somebody writes, nobody who opens it waits
      const writer = fs.openSync(fifo, "r+")
      /** Opens another file by the same number, since a process with other descriptors gets no copy. */
      const replace = (file: string) => {
        fs.closeSync(writer)
        assert.strictEqual(fs.openSync(file, "r+"), writer)
      }
      for (let count = 0; count < 4; count++) assert.deepStrictEqual(yield* start, [1, "none"])
      const counts = [before.runs.count, passing.runs.count]
      replace("/dev/null")
      for (const name of ["reached", "passed"]) fs.rmSync(path.join(directory, name))

      const others = children()
      const killed = yield* Effect.forkChild(Effect.flip(start))
      yield* eventually(() => fs.existsSync(path.join(directory, "reached")))
      const pid = children().find((one) => !others.includes(one))
      process.kill(pid!, "SIGKILL")
      const { message } = yield* Fiber.join(killed)
      assert.match(message, new RegExp(`the child reported nothing: .*"status":${SIG.KILL}`))
      assert.isFalse(fs.existsSync(path.join(directory, "passed")))

      replace(fifo)
      assert.deepStrictEqual(yield* start, [1, "none"])
      fs.closeSync(writer)
      assert.isTrue(fs.existsSync(path.join(directory, "passed")))
      assert.deepStrictEqual([before.runs.count, passing.runs.count], counts)
    }))
})
