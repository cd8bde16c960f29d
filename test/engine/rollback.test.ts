import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import { sys } from "../../src/native/Kernel.ts"
import { Check } from "../../src/testing/Testing.ts"

const header = { name: "p", doc: "", inputs: [] } as const
const failing = Step.make("failing", { doc: "", calls: [], reversal: "harmless", run: Effect.fail("no" as const) })

describe("a rollback", () => {
  it("makes its calls as an undoing, also those that a step registered itself", () => {
    const registers = Step.make("registers", {
      doc: "",
      calls: ["sethostname"],
      reversal: "compensated",
      run: Step.onRollback(sys.sethostname({ name: "back" }))
    })
    const checked = Check.run(Pipeline.run(Pipeline.make(header, registers, failing)))
    assert.deepStrictEqual(checked.calls.map(({ step, undoing }) => [step, undoing]), [["registers", true]])
  })

  it.effect("keeps a defect that comes beside an error a defect", () =>
    Effect.gen(function*() {
      const both = Step.make("both", {
        doc: "",
        calls: [],
        reversal: "harmless",
        run: Effect.failCause(Cause.combine(Cause.fail("no" as const), Cause.die(new Error("a bug"))))
      })
      const exit = yield* Effect.exit(Pipeline.runUnchecked(Pipeline.make(header, both)))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.include(Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "", "a bug")
      assert.isFalse(Exit.isFailure(exit) && Cause.pretty(exit.cause).includes("PipelineError"))
    }))

  it.effect("is not interrupted, in a pipeline of data either", () =>
    Effect.gen(function*() {
      const done: Array<string> = []
      const slow = Step.make("slow", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.void,
        undo: () =>
          Effect.gen(function*() {
            done.push("begun")
            for (let n = 0; n < 50; n++) yield* Effect.yieldNow
            done.push("ended")
          })
      })
      const fiber = yield* Effect.forkChild(Pipeline.runUnchecked(Pipeline.make(header, slow, failing)))
      while (done.length === 0) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(done, ["begun", "ended"])
    }))

  it.effect("does not happen behind a program that runs, when its fiber is let go", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const made = Step.make("made", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.void,
        undo: () => Effect.sync(() => void seen.push("undone"))
      })
      const exec = Step.make("exec", {
        doc: "",
        calls: [],
        reversal: "terminal",
        run: Effect.andThen(Effect.sync(() => void seen.push("runs")), Effect.never)
      })
      const fiber = yield* Effect.forkChild(Pipeline.runUnchecked(Pipeline.make(header, made, exec)))
      while (seen.length === 0) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(seen, ["runs"])
    }))
})
