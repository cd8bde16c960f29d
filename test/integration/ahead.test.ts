/** Effects that run ahead of their process come to what they come to without that, in a few turns. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { vi } from "vitest"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import * as Ahead from "../../src/native/Ahead.ts"
import { AT, F, FD, O, S } from "../../src/native/constants.ts"
import * as Files from "../../src/native/Files.ts"
import { Fork } from "../../src/native/Fork.ts"
import { callNames, Kernel, onErrno, orOn, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { turnsOf } from "../../src/native/linux/rpc/Client.ts"
import { History } from "../../src/native/linux/rpc/History.ts"
import { standard } from "../../src/pipelines/standard.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { inChild } from "../support/child.ts"
import { containerOf, makePlace, on, options, type Place } from "../support/containers.ts"
import { isolate } from "../support/host.ts"
import { missing } from "../support/rootfs.ts"

let place: Place
let directory = ""
beforeAll(async () => {
  if (missing !== undefined) return
  await Effect.runPromise(isolate)
  place = makePlace()
  directory = fs.mkdtempSync(path.join(os.tmpdir(), "runfx-ahead-"))
})
afterAll(() => {
  place?.remove()
  if (directory !== "") fs.rmSync(directory, { recursive: true })
})

/** The most turns of a default container. */
const most = 16

const at = (name: string, flags: number) =>
  sys.openat({ dirfd: AT.FDCWD, path: path.join(directory, name), flags, mode: 0o600 })
const text = (fd: number) => Effect.map(Files.readAll(fd), String)
const file = (name: string, content: string) =>
  Files.using(at(name, O.CREAT | O.WRONLY | O.TRUNC | O.CLOEXEC), (fd) => Files.writeAll(fd, Buffer.from(content)))

/** Runs a step in a process of a kernel: what it comes to, and in how many turns. */
const inTurns = (kernel: Kernel["Service"], run: Effect.Effect<unknown, unknown, Kernel>, name = "tested") =>
  Effect.gen(function*() {
    const step = Step.make(name, {
      doc: "",
      calls: callNames,
      provides: Tested,
      reversal: "harmless",
      replayable: true,
      run: run as Effect.Effect<unknown, never, Kernel>
    })
    const pipeline = Pipeline.make({ name: "test", doc: "", inputs: [] }, step)
    const before = turnsOf()
    const end = yield* inChild(
      0,
      Pipeline.run(pipeline).pipe(
        Effect.map((all) => Context.get(all, Tested)),
        Effect.catch((error) => Effect.succeed({ failed: error.message })),
        Effect.provideService(Kernel, kernel)
      )
    ).pipe(Effect.provideService(Kernel, kernel), Effect.provideService(Fork, Linux.fork(kernel)))
    return { end, turns: turnsOf() - before }
  })

/** What an effect of one process comes to, ahead of it and not, and in how many turns. */
const both = (make: () => Effect.Effect<unknown, unknown, Kernel>) =>
  Effect.gen(function*() {
    const live = Linux.make()
    // a kernel that wraps another one is another one
    const plain: Kernel["Service"] = { invoke: live.invoke }
    return [yield* inTurns(live, make()), yield* inTurns(plain, make())] as const
  })

class Tested extends Context.Service<Tested, unknown>()("test/Tested") {}

const same = (make: () => Effect.Effect<unknown, unknown, Kernel>, expected: unknown) =>
  Effect.map(both(make), ([ahead, plain]) => {
    assert.deepStrictEqual(ahead.end, plain.end)
    assert.deepStrictEqual(ahead.end, expected)
    assert.isAtMost(ahead.turns, plain.turns)
  })

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

  it.live("costs one turn, and one for each of its calls, if it may do anything", () =>
    Effect.gen(function*() {
      const none = yield* turnsWith()
      assert.strictEqual(yield* turnsWith(theirs(false, Effect.promise(() => Promise.resolve()))), none + 1)
      assert.strictEqual(yield* turnsWith(theirs(false, calls)), none + 3)
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

describe.skipIf(missing !== undefined)("an effect that runs ahead comes to the same", () => {
  it.live("with everything as it should be", () =>
    same(() =>
      Effect.gen(function*() {
        yield* file("a", "one")
        yield* file("b", "two")
        return yield* Files.using(at("a", O.RDONLY | O.CLOEXEC), text)
      }), "one"))

  it.live("with a failure that is handled, and one that ends it", () =>
    Effect.gen(function*() {
      yield* same(() =>
        Effect.gen(function*() {
          const name = path.join(directory, "made")
          const found = yield* at("made", O.PATH | O.DIRECTORY | O.CLOEXEC).pipe(
            onErrno(["ENOENT"], () =>
              Effect.andThen(
                sys.mkdirat({ dirfd: AT.FDCWD, path: name, mode: 0o700 }),
                at("made", O.PATH | O.DIRECTORY | O.CLOEXEC)
              ))
          )
          yield* sys.unlinkat({ dirfd: AT.FDCWD, path: name, flags: AT.REMOVEDIR })
          return Files.isType(yield* Files.stat(found), S.IFDIR)
        }), true)
      yield* same(
        () =>
          Effect.andThen(
            file("c", "three"),
            Effect.andThen(sys.chdir({ path: path.join(directory, "nothing") }), file("never", ""))
          ),
        {
          failed:
            `test: tested: chdir("${path.join(directory, "nothing")}") = -1 ENOENT (No such file or directory)\n` +
            "  what to do: nothing is at this path: check it, and who may have removed what was there"
        }
      )
      assert.isTrue(fs.existsSync(path.join(directory, "c")))
      assert.isFalse(fs.existsSync(path.join(directory, "never")))
    }))

  it.live("with questions whose answer is not the likely one", () =>
    same(() =>
      Effect.gen(function*() {
        yield* file("d", "")
        return yield* Files.using(at("d", O.RDONLY | O.CLOEXEC), (fd) =>
          Effect.gen(function*() {
            const one = yield* Files.stat(fd)
            const root = yield* sys.statx({ dirfd: AT.FDCWD, path: "/", flags: 0, mask: 0xfff })
            const flags = yield* Ahead.likelyBits(FD.CLOEXEC, 0)(sys.fcntl({ fd, command: F.GETFD, argument: 0 }))
            return [
              Files.isType(one, S.IFDIR),
              Files.isType(one, S.IFREG, false),
              Ahead.isSame(one, root, "ino"),
              Ahead.isSame(one, one, "ino", { likely: false }),
              Ahead.is(one, "mode", 0o600, { mask: 0o777 }),
              Files.isType(root, S.IFDIR, "unknown"),
              flags & FD.CLOEXEC,
              String(one.size),
              yield* Ahead.likely("/nowhere")(Effect.andThen(sys.chdir({ path: "/" }), sys.getcwd({})))
            ]
          }))
      }), [false, true, false, true, true, true, 1, "0", "/"]))

  it.live("with what is only done if something is there", () =>
    Effect.gen(function*() {
      fs.writeFileSync(path.join(directory, "there"), "x")
      yield* same(() =>
        Effect.gen(function*() {
          const names = ["there", "absent", "there", "absent/below"]
          yield* Effect.forEach(names, (name, index) =>
            Ahead.ifOpen(
              ["ENOENT", "ENOTDIR"],
              at(name, O.PATH | O.CLOEXEC),
              (fd) =>
                Files.using(Effect.succeed(fd), () =>
                  sys.symlinkat({ target: name, dirfd: AT.FDCWD, path: path.join(directory, `link${index}`) }))
            ), { discard: true })
          yield* file("end", "of it")
          const made: Array<string> = []
          for (const index of names.keys()) {
            const link = { dirfd: AT.FDCWD, path: path.join(directory, `link${index}`) }
            const target = yield* sys.readlinkat(link).pipe(orOn(["ENOENT"], undefined))
            if (target === undefined) {
              continue
            }
            made.push(target)
            yield* sys.unlinkat({ ...link, flags: 0 })
          }
          return made
        }), ["there", "there"])
    }))

  it.live("with many guesses that are wrong, and runs again a few times only", () =>
    Effect.gen(function*() {
      let runs = 0
      const names = Array.from({ length: 100 }, (_, index) => `missing${index}`)
      const kernel = Linux.make()
      const look = Effect.gen(function*() {
        runs++
        const found = yield* Effect.forEach(names, (name) => at(name, O.PATH | O.CLOEXEC).pipe(orOn(["ENOENT"], -1)))
        return found.every((fd) => fd === -1)
      })
      const first = yield* inTurns(kernel, look, "missing")
      const later = runs
      assert.isTrue(first.end)
      assert.isBelow(later, 10)
      // each was waited for, and is known the next time
      assert.isTrue((yield* inTurns(kernel, look, "missing")).end)
      assert.strictEqual(runs - later, 1)
    }))

  it.live("with more calls than one list holds", () =>
    same(() =>
      Effect.gen(function*() {
        let sum = 0
        for (let index = 0; index < 1000; index++) {
          const fd = yield* at("there", O.PATH | O.CLOEXEC)
          sum += Files.isType(yield* Files.stat(fd), S.IFREG) ? 1 : 0
          yield* sys.close({ fd })
        }
        return sum
      }), 1000))

  it.live("with somebody else's part in it, which runs once", () =>
    Effect.gen(function*() {
      let runs = 0
      yield* same(() => {
        runs = 0
        return Effect.gen(function*() {
          yield* file("e", "five")
          const theirs = yield* Ahead.once(Effect.andThen(
            Effect.sync(() => ++runs),
            Files.using(at("e", O.RDONLY | O.CLOEXEC), text)
          ))
          const fd = yield* at("e", O.PATH | O.CLOEXEC)
          return [theirs, runs, Files.isType(yield* Files.stat(fd), S.IFDIR)]
        })
      }, ["five", 1, false])
    }))

  it.live("and says so if it makes other calls when it runs again", () =>
    Effect.gen(function*() {
      let runs = 0
      const [{ end }] = yield* both(() =>
        Effect.gen(function*() {
          yield* sys.umask({ mask: runs++ })
          return (yield* Files.stat(0)).ino > 0n
        })
      ).pipe(Effect.catch((error) => Effect.succeed([{ end: String(error) }])))
      assert.match(JSON.stringify(end), /run again, an effect makes the call/)
    }))
})
