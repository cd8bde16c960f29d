/** How many turns of its process a start takes. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import * as fs from "node:fs"
import * as path from "node:path"
import { vi } from "vitest"
import { Events } from "../../../src/engine/Events.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import * as Step from "../../../src/engine/Step.ts"
import * as Ahead from "../../../src/native/Ahead.ts"
import { AT, CLD, O, P, S, SIG, W } from "../../../src/native/constants.ts"
import * as Files from "../../../src/native/Files.ts"
import { Fork } from "../../../src/native/Fork.ts"
import { Kernel, orOn, sys } from "../../../src/native/Kernel.ts"
import * as Linux from "../../../src/native/linux/Linux.ts"
import { turnsOf } from "../../../src/native/linux/rpc/Client.ts"
import { History } from "../../../src/native/linux/rpc/History.ts"
import { standard } from "../../../src/pipelines/standard.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { inChild } from "../../support/child.ts"
import { containerOf, on, options } from "../../support/containers.ts"
import { missing } from "../../support/rootfs.ts"
import { at, directory, inTurns, place } from "./setup.ts"

/** A step that makes the process a program. */
const exec = Step.make("exec", {
  doc: "",
  calls: ["execve"],
  reversal: "terminal",
  replayable: true,
  run: Effect.orDie(sys.execve({ path: "/bin/true", argv: ["true"], envp: [] }))
})

/** The most turns of a default container. */
const most = 16

describe.skipIf(missing !== undefined)("a default container", () => {
  it.live(`starts in at most ${most} turns of its process`, () =>
    on(Effect.gen(function*() {
      const turns: Array<number> = []
      for (let start = 0; start < 5; start++) {
        const before = turnsOf()
        const { code } = yield* Runtime.run(options(place, containerOf(place, ["/bin/true"])))
        assert.strictEqual(code, 0)
        turns.push(turnsOf() - before)
      }
      // who mounts or renames elsewhere on the machine has a look-up made again
      assert.isAtMost(Math.min(...turns), most, turns.join(", "))
    })))

  it.live("tells a tracer of each step, one after the other, within the time of its pipeline", () =>
    on(Effect.gen(function*() {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (given) => {
          const span = new Tracer.NativeSpan(given)
          spans.push(span)
          return span
        }
      })
      const given = options(place, containerOf(place, ["/bin/true"]))
      yield* Effect.provideService(Runtime.run(given), Tracer.Tracer, tracer)
      const endOf = ({ name, status }: Tracer.NativeSpan): bigint => {
        assert(status._tag === "Ended", `${name} has not ended`)
        return status.endTime
      }
      const whole = spans.find(({ name }) => name === "standard")!
      const steps = spans.filter(({ name }) => name.startsWith("standard/"))
      assert.deepStrictEqual(
        steps.map(({ name }) => name),
        standard.steps.filter(({ reversal }) => reversal !== "terminal").map(({ name }) => `standard/${name}`)
      )
      // a clock of floating milliseconds is exact to less than a microsecond
      const slack = 1000n
      for (const [index, step] of steps.entries()) {
        assert.isAtLeast(Number(endOf(step) - step.startTime), 0, step.name)
        const before = steps[index - 1]
        if (before !== undefined) assert.isTrue(step.startTime + slack >= endOf(before), step.name)
        assert.isTrue(endOf(step) <= endOf(whole) + slack, step.name)
      }
      assert.isTrue(steps[0]!.startTime + slack >= whole.startTime)
    })))
})

describe.skipIf(missing !== undefined)("a step of somebody else's between two of ours", () => {
  const ours = (name: string) =>
    Step.make(name, {
      doc: "",
      calls: ["umask"],
      reversal: "irreversible",
      replayable: true,
      run: sys.umask({ mask: 0o22 }).pipe(Effect.orDie, Effect.asVoid)
    })
  const theirs = (replayable: boolean, run: Effect.Effect<unknown, unknown, Kernel>) =>
    Step.make("theirs", {
      doc: "",
      calls: ["umask", "chdir"],
      reversal: "irreversible",
      replayable,
      run: run as Effect.Effect<void, never, Kernel>
    })
  const turnsWith = (...steps: ReadonlyArray<Step.Any>) =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const all = [ours("one"), ...steps, ours("two")]
      const pipeline = { ...Pipeline.make({ name: "test", doc: "", inputs: [] }), steps: all } as Pipeline.Any
      const before = turnsOf()
      yield* inChild(0, Effect.as(Effect.provideService(Pipeline.runUnchecked(pipeline), Kernel, kernel), 0)).pipe(
        Effect.provideService(Kernel, kernel),
        Effect.provideService(Fork, Linux.fork(kernel))
      )
      return turnsOf() - before
    })
  const calls = Effect.andThen(sys.umask({ mask: 0o77 }), sys.chdir({ path: "/" }))

  it.live("costs no turn if it only makes calls, and says that it can run again", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* turnsWith(theirs(true, calls)), yield* turnsWith())
    }))

  it.live("costs no turn if it makes the process a program; the steps before it are told of", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const pipeline = { ...Pipeline.make({ name: "test", doc: "", inputs: [] }), steps: [ours("one"), exec] }
      const told: Array<string> = []
      const child = Pipeline.runUnchecked(pipeline as Pipeline.Any).pipe(
        Effect.provideService(Events, ({ _tag, step }) => Effect.sync(() => void told.push(`${_tag} ${step}`))),
        Effect.provideService(Kernel, kernel)
      )
      const before = turnsOf()
      const { catchUp, forget, pid } = yield* Linux.fork(kernel).start(0, child)
      const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
      yield* catchUp
      assert.deepStrictEqual(told, ["Started one", "Completed one", "Started exec"])
      yield* forget
      assert.strictEqual(turnsOf() - before, 1)
      assert.deepStrictEqual([status?.code, status?.status], [CLD.EXITED, 0])
      assert.lengthOf(told, 3)
    }).pipe(Effect.provideService(Kernel, Linux.make())))

  it.live("is told of no further than the process has come, if that is killed", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const [reading, writing] = yield* sys.pipe2({ flags: 0 })
      const undone: Array<string> = []
      const undoable = (step: Step.Any): Step.Any => ({
        ...step,
        undo: () => Effect.sync(() => void undone.push(step.name))
      })
      const waits = Step.make("waits", {
        doc: "",
        calls: ["write"],
        reversal: "harmless",
        replayable: true,
        // a pipe takes 64 KiB, and nobody reads it
        run: Effect.orDie(Effect.forEach([1, 2], () => sys.write({ fd: writing, data: Buffer.alloc(0x9000) })))
      })
      const steps = [ours("one"), ours("two"), waits as unknown as Step.Any, ours("never")].map(undoable)
      const pipeline = { ...Pipeline.make({ name: "test", doc: "", inputs: [] }), steps: [...steps, exec] }
      const told: Array<string> = []
      const child = Pipeline.runUnchecked(pipeline as unknown as Pipeline.Any).pipe(
        Effect.provideService(Events, ({ _tag, step }) => Effect.sync(() => void told.push(`${_tag} ${step}`))),
        Effect.provideService(Kernel, kernel)
      )
      const { catchUp, forget, pid } = yield* Linux.fork(kernel).start(0, child)
      // it has come to the pipe if there is something in it
      yield* sys.read({ fd: reading, count: 1 })
      yield* sys.kill({ pid, signal: SIG.KILL })
      yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
      yield* catchUp
      assert.deepStrictEqual(told, [])
      yield* forget
      assert.deepStrictEqual(
        told,
        ["one", "two"].flatMap((name) => [`Started ${name}`, `Completed ${name}`]).concat(
          ["Started waits", "Failed waits", "Undone two", "Undone one"]
        )
      )
      assert.deepStrictEqual(undone, ["two", "one"])
      yield* Effect.forEach([reading, writing], (fd) => sys.close({ fd }))
    }).pipe(Effect.provideService(Kernel, Linux.make())))

  it.live("costs one turn, and one for each of its calls, if it may do anything", () =>
    Effect.gen(function*() {
      const none = yield* turnsWith()
      assert.strictEqual(yield* turnsWith(theirs(false, Effect.promise(() => Promise.resolve()))), none + 1)
      assert.strictEqual(yield* turnsWith(theirs(false, calls)), none + 3)
    }))
})

describe.skipIf(missing !== undefined)("the event loop", () => {
  it.live("has its turn between two calls of one list, if much time is spent between them", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const order: Array<string> = []
      const calls = (between: () => void) =>
        Effect.gen(function*() {
          yield* sys.chdir({ path: "/" })
          between()
          yield* sys.chdir({ path: "/" })
          order.push("second call")
        })
      const long = () => {
        setTimeout(() => order.push("timer"), 0)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
      }
      const { turns } = yield* inTurns(kernel, calls(() => {}))
      assert.strictEqual((yield* inTurns(kernel, calls(long))).turns, turns)
      assert.deepStrictEqual(order, ["second call", "timer", "second call"])
    }))
})

describe.skipIf(missing !== undefined)("what a process has come to", () => {
  const run = () =>
    Effect.gen(function*() {
      const absent = yield* at("not here", O.PATH | O.CLOEXEC).pipe(orOn(["ENOENT"], undefined))
      const root = yield* sys.statx({ dirfd: AT.FDCWD, path: "/", flags: 0, mask: 0xfff })
      const isFile = Files.isType(root, S.IFREG)
      const isDirectory = Files.isType(root, S.IFDIR, "unknown")
      return [absent, isFile, isDirectory, Ahead.isSame(root, root, "ino", { likely: false })]
    })

  it.live("is what the next one will most likely come to: what was wrong costs no turn a second time", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const first = yield* inTurns(kernel, run(), "learning")
      const second = yield* inTurns(kernel, run(), "learning")
      const third = yield* inTurns(kernel, run(), "learning")
      assert.deepStrictEqual(first.end, [undefined, false, true, true].map((value) => value ?? null))
      for (const later of [second, third]) assert.deepStrictEqual(later.end, first.end)
      // a question that is only reached once another one is answered is learned one container later
      assert.isAtMost(second.turns, first.turns)
      assert.isBelow(third.turns, first.turns)
    }))

  it.live("is the mode of a file, too, as long as it stays the same", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const place = path.join(directory, "moded")
      fs.writeFileSync(place, "")
      const mode = Effect.gen(function*() {
        const stat = yield* Files.using(at("moded", O.PATH | O.CLOEXEC), Files.stat)
        const found = stat.mode & 0o7777
        yield* sys.umask({ mask: 0 })
        return found
      })
      const turns: Array<number> = []
      for (const expected of [0o640, 0o640, 0o640, 0o600, 0o600, 0o600]) {
        fs.chmodSync(place, expected)
        const one = yield* inTurns(kernel, mode, "reading a mode")
        assert.strictEqual(one.end, expected)
        turns.push(one.turns)
      }
      const [first, second, third, other, ...last] = turns
      assert.isBelow(second!, first!)
      assert.deepStrictEqual([third, ...last], [second, second, second])
      assert.isAbove(other!, second!)
    }))

  it.live("is no more than likely: one for which it is otherwise comes to its own", () =>
    Effect.gen(function*() {
      const kernel = Linux.make()
      const look = (name: string) =>
        Effect.gen(function*() {
          const fd = yield* at("changing", O.PATH | O.CLOEXEC).pipe(orOn(["ENOENT"], undefined))
          if (fd === undefined) return name
          const isFile = Files.isType(yield* Files.stat(fd), S.IFREG)
          yield* sys.close({ fd })
          return isFile ? "a file" : "a directory"
        })
      const place = path.join(directory, "changing")
      const ends: Array<unknown> = []
      for (
        const change of [
          () => {},
          () => fs.writeFileSync(place, ""),
          () => fs.rmSync(place),
          () => fs.mkdirSync(place),
          () => fs.rmdirSync(place)
        ]
      ) {
        change()
        ends.push((yield* inTurns(kernel, look("nothing"), "changing")).end)
      }
      assert.deepStrictEqual(ends, ["nothing", "a file", "nothing", "a directory", "nothing"])
    }))
})

describe.skipIf(missing !== undefined)("an error of what runs it ahead", () => {
  it.live("ends its step at once, and has no call made twice", () =>
    Effect.gen(function*() {
      const broken = vi.spyOn(History.prototype, "remember").mockImplementation(() => {
        throw new Error("the history is full")
      })
      const name = path.join(directory, "once")
      const fd = fs.openSync(name, "a")
      const step = Effect.gen(function*() {
        yield* sys.write({ fd, data: Buffer.from("once") })
        // what comes is learned
        yield* at("nothing", O.PATH | O.CLOEXEC).pipe(orOn(["ENOENT"], undefined))
        // needs its answer, so all of them are made before the step has ended
        yield* sys.readlinkat({ dirfd: AT.FDCWD, path: "/proc/self/cwd" })
      })
      const { message } = yield* Effect.flip(inTurns(Linux.make(), step, "broken")).pipe(
        Effect.ensuring(Effect.sync(() => {
          broken.mockRestore()
          fs.closeSync(fd)
        }))
      )
      assert.strictEqual(message, "the history is full")
      assert.strictEqual(fs.readFileSync(name, "utf8"), "once")
    }))
})
