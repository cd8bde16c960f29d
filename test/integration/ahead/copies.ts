/** The calls of a deterministic step are copied from an earlier process, and come to the same as if it had run. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import * as Step from "../../../src/engine/Step.ts"
import * as Ahead from "../../../src/native/Ahead.ts"
import { AT, O, PR, S } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { callNames, Kernel, orOn, sys, type SyscallError } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { inChild } from "../../support/child.ts"
import { missing } from "../../support/rootfs.ts"
import { directory, random, waiting } from "./setup.ts"

/** What a step is given. */
interface Facts {
  readonly id?: string
  readonly names: Array<string>
  readonly deep?: { readonly mode: number; readonly more?: ReadonlyArray<string> }
  readonly count?: () => number
}

export class Given extends Context.Service<Given, Facts>()("test/Given") {}
export class Made extends Context.Service<Made, unknown>()("test/Made") {}
export class Looked extends Context.Service<Looked, unknown>()("test/Looked") {}

/** A deterministic step, and how often its effect has run. */
export const counted = <A, P extends Step.Key>(
  name: string,
  provides: P,
  run: Effect.Effect<A, unknown, Given | Made | Kernel>,
  requires: ReadonlyArray<Step.Key> = [Given]
) => {
  const runs = { count: 0 }
  const step = Step.make(name, {
    doc: "",
    calls: callNames,
    requires,
    provides,
    reversal: "irreversible",
    deterministic: true,
    run: Effect.andThen(Effect.sync(() => void runs.count++), run) as Effect.Effect<never, never, Kernel>
  })
  return { runs, step }
}

const touch = (name: string) =>
  Files.using(
    sys.openat({
      dirfd: AT.FDCWD,
      path: path.join(directory, name),
      flags: O.CREAT | O.WRONLY | O.CLOEXEC,
      mode: 0o600
    }),
    (fd) => sys.write({ fd, data: Buffer.from(name) })
  )

/** A text that a call gets as it is. */
const touchAs = (text: string) => orOn(["ENOENT"], undefined)(Ahead.likelyFails("ENOENT")(sys.chdir({ path: text })))

/** Afterwards it is known which descriptors the process has inherited: the first new one is opened, and asked for. */
const settling = Step.make("settling", {
  doc: "",
  calls: callNames,
  reversal: "harmless",
  replayable: true,
  run: Effect.orDie(Effect.asVoid(Files.using(sys.dup({ fd: 0 }), () => sys.getpid({}))))
})

/** Runs steps in a process, given some facts: how it ends. */
export const inOne = (kernel: Kernel["Service"], given: Facts, ...steps: ReadonlyArray<Step.Any>) => {
  const pipeline = {
    ...Pipeline.make({ name: "test", doc: "", inputs: [Given] }),
    steps: [settling, ...steps]
  } as Pipeline.Any
  const child = Effect.map(Pipeline.runUnchecked(pipeline), (all) => {
    const known = all as Context.Context<Made | Looked>
    return [Context.getOrUndefined(known, Made), Context.getOrUndefined(known, Looked)]
  }).pipe(
    Effect.catch((error) => Effect.succeed({ failed: error.message })),
    Effect.provideService(Given, given),
    Effect.provideService(Kernel, kernel)
  )
  return inChild(0, child).pipe(Effect.provideService(Kernel, kernel), Effect.provideService(Fork, Linux.fork(kernel)))
}

const making = () =>
  counted(
    "making",
    Made,
    Effect.gen(function*() {
      const { names } = yield* Given
      yield* Effect.forEach(names, touch, { discard: true })
      return names.length
    })
  )

const written = (name: string) => fs.readFileSync(path.join(directory, name), "utf8")

describe.skipIf(missing !== undefined)("a deterministic step", () => {
  it.live("runs twice for the same facts, and is copied from then on", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const { runs, step } = making()
      for (let start = 0; start < 5; start++) {
        const names = [`copied ${"x".repeat(start === 4 ? 0 : 3)}`, "another"]
        assert.deepStrictEqual(yield* inOne(kernel, { id: `no ${start}`, names }, step), [2, null])
        for (const name of names) {
          assert.strictEqual(written(name), name)
          fs.rmSync(path.join(directory, name))
        }
      }
      // the first, the second, and the last, which makes another file
      assert.strictEqual(runs.count, 3)
    }))

  it.live("runs if a fact was changed where it is, or has a function, or is of a class", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const { runs, step } = making()
      const names = ["one"]
      for (let start = 0; start < 3; start++) yield* inOne(kernel, { names }, step)
      assert.strictEqual(runs.count, 2)
      names[0] = "two"
      yield* inOne(kernel, { names }, step)
      assert.strictEqual(runs.count, 3)
      assert.strictEqual(written("two"), "two")

      let now = 0
      const counting = counted(
        "counting",
        Made,
        Effect.gen(function*() {
          const { count } = yield* Given
          yield* touch(`number ${count!()}`)
          return count
        })
      )
      const count = (): number => ++now
      for (let start = 1; start <= 3; start++) yield* inOne(kernel, { names, count }, counting.step)
      assert.strictEqual(counting.runs.count, 3)
      assert.strictEqual(written("number 3"), "number 3")

      const dated = counted("dated", Made, Effect.map(Given, (given) => Number((given as never as { at: Date }).at)))
      const ends: Array<unknown> = []
      const at = new Date(0)
      for (let start = 0; start < 3; start++) {
        at.setTime(start)
        ends.push(yield* inOne(kernel, { names, at } as Facts, dated.step))
      }
      assert.deepStrictEqual(ends, [[0, null], [1, null], [2, null]])
    }))

  it.live("is not copied for other descriptors, another mask, or if it registers a compensation", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const opened = counted("opened", Looked, Effect.map(sys.dup({ fd: 0 }), Number))
      const open = Step.make("open", {
        doc: "",
        calls: callNames,
        requires: [Given],
        provides: Made,
        reversal: "irreversible",
        replayable: true,
        run: Effect.gen(function*() {
          const { names } = yield* Given
          yield* Effect.forEach(names, () => sys.dup({ fd: 0 }))
          yield* sys.umask({ mask: names.length })
          return true
        }).pipe(Effect.orDie)
      })
      const numbers: Array<number> = []
      for (const names of [[], [], [], ["a"], ["a"], [], ["a", "b"]]) {
        const [, fd] = (yield* inOne(kernel, { names }, open, opened.step)) as ReadonlyArray<number>
        numbers.push(fd! - names.length)
      }
      assert.deepStrictEqual(new Set(numbers).size, 1)
      assert.isBelow(opened.runs.count, 7)

      const undone = counted("undone", Made, Effect.andThen(touch("undone"), Step.onRollback(Effect.void)) as never)
      for (let start = 0; start < 4; start++) yield* inOne(kernel, { names: [] }, undone.step)
      assert.strictEqual(undone.runs.count, 4)
    }))

  it.live("passes a parameter on to the calls that are copied", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const own = Ahead.parameter(Given, ({ id }) => path.join(directory, id!))
      const flags = O.CREAT | O.EXCL | O.WRONLY | O.CLOEXEC
      const { runs, step } = counted(
        "own",
        Made,
        Effect.gen(function*() {
          const name = yield* own
          yield* Files.using(sys.openat({ dirfd: AT.FDCWD, path: name, flags, mode: 0o640 }), () => Effect.void)
        })
      )
      const longest = "l".repeat(200)
      const names = ["1", "2", "3", "another", longest, "x"]
      for (const id of names) {
        assert.deepStrictEqual(yield* inOne(kernel, { id, names: [] }, step), [null, null])
        assert.strictEqual(fs.statSync(path.join(directory, id)).mode & 0o777, 0o640)
      }
      // the first two, and one whose parameter is too long
      assert.strictEqual(runs.count, 3)
      const there = yield* inOne(kernel, { id: "another", names: [] }, step)
      assert.match(JSON.stringify(there), /own: openat\(.*another.*EEXIST/)
      for (const id of names) fs.rmSync(path.join(directory, id))
    }))

  it.live("runs if a parameter is used for anything else, or can be two", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const id = Ahead.parameter(Given, (given) => given.id!)
      const half = counted("half", Made, Effect.flatMap(id, (text) => touch(text.slice(0, 1))))
      const twice = counted("twice", Made, Effect.andThen(Effect.flatMap(id, touchAs), Effect.flatMap(id, touchAs)))
      for (const text of ["a1", "b2", "c3", "d4"]) {
        for (const { step } of [half, twice]) yield* inOne(kernel, { id: text, names: [] }, step)
        assert.strictEqual(written(text.slice(0, 1)), text.slice(0, 1))
      }
      assert.deepStrictEqual([half.runs.count, twice.runs.count], [4, 4])
    }))

  it.live("leaves the process with the descriptors that it has opened", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const opening = counted("opening", Made, Effect.map(sys.dup({ fd: 0 }), Number))
      const again = counted("opening again", Looked, Effect.map(sys.dup({ fd: 0 }), Number))
      const ends: Array<unknown> = []
      for (let start = 0; start < 4; start++) ends.push(yield* inOne(kernel, { names: [] }, opening.step, again.step))
      for (const end of ends) assert.deepStrictEqual(end, ends[0])
      assert.deepStrictEqual([opening.runs.count, again.runs.count], [2, 2])
    }))

  it.live("gets what the kernel has written, if that is something else this time", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const signal = Step.make("signal", {
        doc: "",
        calls: callNames,
        requires: [Given],
        reversal: "irreversible",
        replayable: true,
        run: Effect.flatMap(Given, ({ names }) =>
          Effect.orDie(sys.prctl({ option: PR.SET_PDEATHSIG, arg2: names.length, arg3: 0, arg4: 0, arg5: 0 }))) as never
      })
      const asking = counted(
        "asking",
        Made,
        Effect.gen(function*() {
          yield* Given
          const options = { option: PR.GET_PDEATHSIG, arg2: 0, arg3: 0, arg4: 0, arg5: 0 }
          return yield* Ahead.likely(0)(sys.prctl(options))
        })
      )
      const ends: Array<unknown> = []
      for (const names of [[], [], [], ["a", "b"]]) {
        ends.push(yield* inOne(kernel, { names }, signal, asking.step))
      }
      assert.deepStrictEqual(ends, [[0, null], [0, null], [0, null], [2, null]])
      assert.strictEqual(asking.runs.count, 4)
    }))

  it.live("says what it would say if it ran: a failure, with its call, and what an earlier one has done", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const { runs, step } = making()
      const after = counted("after", Looked, Effect.as(touch("after"), true), [Given])
      const facts = { names: ["first", "gone", "third"] }
      for (let start = 0; start < 3; start++) yield* inOne(kernel, facts, step, after.step)
      assert.strictEqual(runs.count, 2)
      for (const name of ["first", "gone", "third", "after"]) fs.rmSync(path.join(directory, name))
      fs.mkdirSync(path.join(directory, "gone"))
      const ahead = yield* inOne(kernel, facts, step, after.step)
      const plain = yield* inOne(waiting(kernel), facts, step, after.step)
      fs.rmdirSync(path.join(directory, "gone"))
      assert.deepStrictEqual(ahead, plain)
      assert.match(JSON.stringify(ahead), /making: openat\(.*gone.*EISDIR/)
      assert.isTrue(fs.existsSync(path.join(directory, "first")))
      assert.isFalse(fs.existsSync(path.join(directory, "third")))
      assert.isFalse(fs.existsSync(path.join(directory, "after")))
    }))

  it.live("dies with its name if it is not, once it has to run again", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      let now = 0
      const { step } = counted(
        "unsteady",
        Made,
        Effect.suspend(() => Effect.forEach(Array.from({ length: now++ === 2 ? 3 : 1 }), () => touch("unsteady")))
      )
      for (let start = 0; start < 3; start++) yield* inOne(kernel, { names: [] }, step)
      fs.rmSync(path.join(directory, "unsteady"))
      fs.mkdirSync(path.join(directory, "unsteady"))
      const { message } = yield* Effect.flip(inOne(kernel, { names: [] }, step))
      fs.rmdirSync(path.join(directory, "unsteady"))
      assert.match(message, /step unsteady is not deterministic: with the same facts it makes other calls/)
    }))
})

// ── whatever the host is like ────────────────────────────────────────────────────────────────────────────────────────

const looking = (requires: ReadonlyArray<Step.Key>) =>
  Effect.gen(function*() {
    const { deep, names } = yield* Given
    const root = yield* Files.stat(yield* sys.openat({ dirfd: AT.FDCWD, path: directory, flags: O.PATH, mode: 0 }))
    const found: Array<unknown> = requires.length > 1 ? [yield* Made] : []
    for (const name of names) {
      const open = sys.openat({ dirfd: AT.FDCWD, path: path.join(directory, name), flags: O.PATH | O.CLOEXEC, mode: 0 })
      const fd = yield* orOn(["ENOENT"], undefined)(open)
      if (fd === undefined) {
        found.push("absent")
        continue
      }
      const stat = yield* Files.stat(fd)
      found.push(Files.isType(stat, S.IFREG) ? "a file" : "none", Ahead.isSame(stat, root, "dev"))
      yield* sys.close({ fd })
      yield* Ahead.ifOpen(
        ["ENOENT", "ENOTDIR"],
        sys.openat({ dirfd: AT.FDCWD, path: path.join(directory, name, "inside"), flags: O.PATH, mode: 0 }),
        (inside) => sys.close({ fd: inside })
      )
    }
    return [...found, deep?.mode ?? 0]
  }) as Effect.Effect<unknown, SyscallError, Given | Made | Kernel>

describe.skipIf(missing !== undefined)("deterministic steps between others", () => {
  it.live("come to what they come to in turns, with any facts and any files", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const next = random(4711)
      const first = counted("first look", Made, looking([Given]))
      const second = counted("second look", Looked, looking([Given, Made]), [Given, Made])
      const between = Step.make("between", {
        doc: "",
        calls: callNames,
        requires: [Given],
        reversal: "harmless",
        replayable: true,
        // its arguments take more or less room
        run: Effect.flatMap(Given, ({ id }) => orOn(["ENOENT"], undefined)(sys.chdir({ path: `/none/${id}` }))) as never
      })
      for (let start = 0; start < 120; start++) {
        const names = ["a", "b", "c"].slice(0, 1 + next(3))
        for (const name of names) {
          const file = path.join(directory, name)
          fs.rmSync(file, { recursive: true, force: true })
          // most of the time they stay what they are
          const kind = next(8)
          if (kind === 0) fs.mkdirSync(path.join(file, "inside"), { recursive: true })
          else if (kind > 1) fs.writeFileSync(file, "")
        }
        const facts = { id: "x".repeat(next(40)), names, deep: { mode: next(2) } }
        const ahead = yield* inOne(kernel, facts, between, first.step, between, second.step)
        const plain = yield* inOne(waiting(kernel), facts, between, first.step, between, second.step)
        assert.deepStrictEqual(ahead, plain, `start ${start}`)
      }
      // the half of the runs are those in turns
      assert.isBelow(first.runs.count, 200)
      assert.isBelow(second.runs.count, 200)
    }), { timeout: 600_000 })
})
