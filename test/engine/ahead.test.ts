/** Steps that run ahead, on a kernel whose journeys a test writes. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { type Event, Events } from "../../src/engine/Events.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import * as Ahead from "../../src/native/Ahead.ts"
import { Kernel } from "../../src/native/Kernel.ts"

/** As the number of a part: the list fails, and only the first part is certain. */
const broken = -1

/** A journey that says, each time that it is settled, which part must run again. */
const journeyOf = (log: Array<string>, agains: Array<number | undefined>): Ahead.Journey => ({
  copied: () => undefined,
  keeps: () => false,
  part: (_, self) => Effect.exit(self),
  isLost: false,
  left: undefined,
  certain: 1,
  settle: Effect.suspend(() => {
    const again = agains.shift()
    if (again === broken) return Effect.die("nobody knows")
    log.push(again === undefined ? "settled" : `again from ${again}`)
    return Effect.succeed(again)
  }),
  times: (part) => ({ began: 10, ended: 11 + part }),
  keep: () => {},
  calls: () => [],
  invoke: () => Effect.die("no call was expected"),
  guessing: (_, self) => self,
  once: (self) => self,
  enter: () => () => {}
})

const on = (log: Array<string>, agains: Array<number | undefined> = []) => {
  const kernel: Kernel["Service"] = { invoke: () => Effect.die("no call was expected") }
  Ahead.provide(kernel, Effect.sync(() => journeyOf(log, agains)))
  return Effect.provideService(Kernel, kernel)
}

class Given extends Context.Service<Given, string>()("test/Given") {}

/** A step that writes down that it runs, and what takes it back. */
const step = (log: Array<string>, name: string, replayable: boolean, run: Effect.Effect<void, string> = Effect.void) =>
  Step.make(name, {
    doc: "",
    calls: [],
    reversal: "compensated",
    replayable,
    run: Effect.gen(function*() {
      log.push(name)
      yield* Step.onRollback(Effect.sync(() => void log.push(`undo ${name}`)))
      yield* run
    })
  })

const pipelineOf = (steps: ReadonlyArray<Step.Any>) =>
  ({ ...Pipeline.make({ name: "test", doc: "", inputs: [] }), steps }) as Pipeline.Any

const run = (log: Array<string>, steps: ReadonlyArray<Step.Any>, agains: Array<number | undefined> = []) =>
  Pipeline.runUnchecked(pipelineOf(steps)).pipe(
    Effect.provideService(Events, (event: Event) =>
      Effect.sync(() => {
        const time = event._tag === "Completed" && event.milliseconds >= 1 ? ` ${Math.floor(event.milliseconds)}` : ""
        log.push(`${event._tag} ${event.step}${time}`)
      })),
    on(log, agains)
  )

describe("steps that run ahead", () => {
  it.effect("are told when they are certain, with the times of the process", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      yield* run(log, [step(log, "a", true), step(log, "b", true), step(log, "c", false), step(log, "d", true)])
      const first = ["a", "b", "settled", "Started a", "Completed a 1", "Started b", "Completed b 2"]
      const rest = ["Started c", "c", "Completed c", "d", "settled", "Started d", "Completed d 1"]
      assert.deepStrictEqual(log, [...first, ...rest])
    }))

  it.effect("run again from the one that went astray, with what those before it gave", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      let count = 0
      const given = Step.make("given", {
        doc: "",
        calls: [],
        provides: Given,
        reversal: "harmless",
        replayable: true,
        run: Effect.sync(() => `${++count}`)
      })
      const asks = Step.make("asks", {
        doc: "",
        calls: [],
        requires: [Given],
        reversal: "harmless",
        replayable: true,
        run: Effect.map(Given, (value) => void log.push(`asks ${value}`))
      })
      const context = yield* run(log, [given, asks], [1, 0, undefined])
      assert.deepStrictEqual(log.slice(0, 6), ["asks 1", "again from 1", "asks 1", "again from 0", "asks 2", "settled"])
      assert.strictEqual(Context.get(context as Context.Context<Given>, Given), "2")
    }))

  it.effect("are undone once, however often they ran, and a failure is one only if it is certain", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      let runs = 0
      const fails = Effect.suspend(() => ++runs === 1 ? Effect.fail("not so") : Effect.fail("so"))
      const steps = [step(log, "a", true), step(log, "b", true, fails), step(log, "c", true)]
      const error = yield* Effect.flip(run(log, steps, [0, undefined]))
      assert.include(String((error as Error).message), "test: b: so")
      const ran = ["a", "b", "again from 0", "a", "b", "settled"]
      const told = ["Started a", "Completed a 1", "Started b", "Failed b", "undo b", "Undone b", "undo a", "Undone a"]
      assert.deepStrictEqual(log, [...ran, ...told])
    }))

  it.effect("are told no further than they are certain, if their list fails; what may have been done is undone", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const steps = ["a", "b", "c"].map((name) => step(log, name, true))
      const exit = yield* Effect.exit(run(log, steps, [broken]))
      assert.isTrue(Exit.hasDies(exit))
      const told = ["Started a", "Completed a 1", "Started b", "Failed b"]
      const undone = ["undo c", "Undone b", "undo b", "Undone b", "undo a", "Undone a"]
      assert.deepStrictEqual(log, ["a", "b", "c", ...told, ...undone])
    }))

  it.effect("are interrupted before they begin, and then what was done is undone", () =>
    Effect.gen(function*() {
      const log: Array<string> = []
      const wait = step(log, "first", false)
      const stop = Step.make("stop", {
        doc: "",
        calls: [],
        reversal: "harmless",
        run: Effect.withFiber((fiber) => Effect.sync(() => fiber.interruptUnsafe()))
      })
      const fiber = yield* Effect.forkChild(run(log, [wait, stop, step(log, "never", true)]))
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit))
      assert.notInclude(log, "never")
      assert.include(log, "undo first")
    }))
})
