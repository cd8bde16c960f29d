import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { CurrentStep, type Event, Events } from "../../src/engine/Events.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { InvalidPipelineError, PipelineError } from "../../src/engine/PipelineError.ts"
import * as Step from "../../src/engine/Step.ts"
import { Kernel, SyscallError } from "../../src/native/Kernel.ts"
import { Boom, header, journal, Name, Size } from "../support/pipelines.ts"

/** A kernel that nobody calls. */
const noKernel = Effect.provideService(Kernel, { invoke: () => Effect.die("no call was expected") })

const failure = <A, E>(exit: Exit.Exit<A, E>): E => {
  if (!Exit.isFailure(exit)) throw new Error("it succeeded")
  const found = exit.cause.reasons.find(Cause.isFailReason)
  if (found === undefined) throw new Error(`no typed failure: ${Cause.pretty(exit.cause)}`)
  return found.error
}

describe("run", () => {
  it.effect("runs the steps in order and gives what they provide", () =>
    Effect.gen(function*() {
      const naming = Step.make("naming", {
        doc: "",
        calls: [],
        provides: Name,
        reversal: "harmless",
        run: Effect.succeed("ada")
      })
      const sizing = Step.make("sizing", {
        doc: "",
        calls: [],
        requires: [Name],
        provides: Size,
        reversal: "harmless",
        run: Effect.map(Name, (name) => name.length)
      })
      const context = yield* Pipeline.run(Pipeline.make(header, naming, sizing))
      assert.strictEqual(Context.get(context, Name), "ada")
      assert.strictEqual(Context.get(context, Size), 3)
    }).pipe(noKernel))

  it.effect("takes its inputs from whoever runs it", () =>
    Effect.gen(function*() {
      const sizing = Step.make("sizing", {
        doc: "",
        calls: [],
        requires: [Name],
        provides: Size,
        reversal: "harmless",
        run: Effect.map(Name, (name) => name.length)
      })
      const pipeline = Pipeline.make({ ...header, inputs: [Name] }, sizing)
      const context = yield* Effect.provideService(Pipeline.run(pipeline), Name, "grace")
      assert.strictEqual(Context.get(context, Size), 5)
    }).pipe(noKernel))

  it.effect("undoes in reverse order, each undo given its step's result, and names what stays", () =>
    Effect.gen(function*() {
      const { failing, lines, plain, step } = journal()
      const pipeline = Pipeline.make(
        header,
        step("a"),
        plain("b", "irreversible"),
        plain("c", "harmless"),
        step("d"),
        failing
      )
      const error = failure(yield* Effect.exit(Pipeline.run(pipeline)))
      assert.deepStrictEqual(lines, ["a", "b", "c", "d", "failing", "undo d", "undo a"])
      assert.instanceOf(error, PipelineError)
      assert.deepInclude(error, { pipeline: "box", step: "failing", undone: ["d", "a"], residue: ["b"], rollback: [] })
      assert.instanceOf(error.reason, Boom)
    }).pipe(noKernel))

  it.effect("takes back the half that a failing step had done", () =>
    Effect.gen(function*() {
      const { lines, note, step } = journal()
      const half = Step.make("half", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.gen(function*() {
          yield* note("first")
          yield* Step.onRollback(note("undo first"))
          yield* note("second")
          yield* Step.onRollback(note("undo second"))
          return yield* new Boom({})
        })
      })
      const error = failure(yield* Effect.exit(Pipeline.run(Pipeline.make(header, step("a"), half))))
      assert.deepStrictEqual(lines, ["a", "first", "second", "undo second", "undo first", "undo a"])
      assert.deepStrictEqual(error.undone, ["half", "a"])
    }).pipe(noKernel))

  it.effect("goes on undoing when an undo fails or dies, and tells both beside the first error", () =>
    Effect.gen(function*() {
      const { failing, lines, step } = journal()
      const refused = new SyscallError({ call: { _tag: "chdir", path: "/" }, code: "EIO" })
      const bad = Step.make("bad", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.void,
        undo: () => Effect.fail(refused)
      })
      const worse = Step.make("worse", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.void,
        undo: () => Effect.die(new Error("worse"))
      })
      const error = failure(yield* Effect.exit(Pipeline.run(Pipeline.make(header, step("a"), bad, worse, failing))))
      assert.deepStrictEqual(lines, ["a", "failing", "undo a"])
      assert.instanceOf(error.reason, Boom)
      assert.deepStrictEqual(error.rollback.map(({ step }) => step), ["worse", "bad"])
      assert.deepStrictEqual(error.undone, ["a"])
      assert.include(error.message, "undoing bad failed: chdir(\"/\") = -1 EIO (Input/output error)")
    }).pipe(noKernel))

  it.effect("an undo that throws when it is made is a failure of the rollback, not a crash", () =>
    Effect.gen(function*() {
      const { failing, lines, step } = journal()
      const thrower = Step.make("thrower", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.void,
        undo: () => {
          throw new Error("thrown")
        }
      })
      const error = failure(yield* Effect.exit(Pipeline.run(Pipeline.make(header, step("a"), thrower, failing))))
      assert.deepStrictEqual(lines, ["a", "failing", "undo a"])
      assert.deepStrictEqual(error.rollback.map(({ step }) => step), ["thrower"])
    }).pipe(noKernel))

  it.effect("keeps a defect a defect, and undoes all the same", () =>
    Effect.gen(function*() {
      const { lines, step } = journal()
      const defect = new Error("a bug")
      const dying = Step.make("dying", { doc: "", calls: [], reversal: "harmless", run: Effect.die(defect) })
      const exit = yield* Effect.exit(Pipeline.run(Pipeline.make(header, step("a"), dying)))
      assert.deepStrictEqual(lines, ["a", "undo a"])
      assert.isTrue(
        Exit.isFailure(exit) && Cause.squash(exit.cause) === defect && !exit.cause.reasons.some(Cause.isFailReason)
      )
    }).pipe(noKernel))

  it.effect("undoes when it is interrupted at any step, and stays interrupted", () =>
    Effect.gen(function*() {
      for (const at of ["a", "b", "c"] as const) {
        const { lines, note, step } = journal()
        const reached = yield* Deferred.make<void>()
        const waits = <const N extends string>(name: N) =>
          name === at
            ? Step.make(name, {
              doc: "",
              calls: [],
              reversal: "compensated",
              run: Effect.gen(function*() {
                yield* note(name)
                yield* Step.onRollback(note(`undo half of ${name}`))
                yield* Deferred.succeed(reached, undefined)
                yield* Effect.never
                return name as string
              }),
              undo: () => note("never")
            })
            : step(name)
        const fiber = yield* Effect.forkChild(Pipeline.run(Pipeline.make(header, waits("a"), waits("b"), waits("c"))))
        yield* Deferred.await(reached)
        yield* Fiber.interrupt(fiber)
        const exit = yield* Fiber.await(fiber)
        assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause), at)
        const before = { a: [], b: ["a"], c: ["a", "b"] }[at]
        assert.deepStrictEqual(lines, [
          ...before,
          at,
          `undo half of ${at}`,
          ...before.toReversed().map((name) => `undo ${name}`)
        ])
      }
    }).pipe(noKernel))

  it.effect("does not let itself be interrupted while it undoes", () =>
    Effect.gen(function*() {
      const { failing, lines, note } = journal()
      const undoing = yield* Deferred.make<void>()
      const slow = Step.make("slow", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.void,
        undo: () =>
          Effect.andThen(Deferred.succeed(undoing, undefined), Effect.andThen(Effect.yieldNow, note("undo slow")))
      })
      const fiber = yield* Effect.forkChild(Pipeline.run(Pipeline.make(header, slow, failing)))
      yield* Deferred.await(undoing)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(lines, ["failing", "undo slow"])
    }).pipe(noKernel))

  it.effect("gives the advice of the step for the errno, else that of the error", () =>
    Effect.gen(function*() {
      const refuse = (code: "EPERM" | "EIO") =>
        Step.make("refused", {
          doc: "",
          calls: ["chdir"],
          reversal: "harmless",
          advice: { EPERM: "run it as root" },
          run: Effect.fail(new SyscallError({ call: { _tag: "chdir", path: "/x" }, code }))
        })
      const errorOf = <E>(step: Step.Step<"refused" | "own", never, never, E>) =>
        Effect.map(Effect.exit(Pipeline.run(Pipeline.make(header, step))), failure)
      const known = yield* errorOf(refuse("EPERM"))
      assert.strictEqual(known.advice, "run it as root")
      assert.include(known.message, "what to do: run it as root")
      assert.include((yield* errorOf(refuse("EIO"))).advice, "dmesg(1)")
      const own = Step.make("own", {
        doc: "",
        calls: [],
        reversal: "harmless",
        run: Effect.fail(new Boom({ advice: "think" }))
      })
      assert.strictEqual((yield* errorOf(own)).advice, "think")
    }).pipe(noKernel))

  it.effect("tells each step what it is called, and the listener how long it took", () =>
    Effect.gen(function*() {
      const events: Array<Event> = []
      const { failing } = journal()
      const slow = Step.make("slow", {
        doc: "",
        calls: [],
        reversal: "compensated",
        run: Effect.andThen(CurrentStep, (where) => Effect.as(TestClock.adjust(30), where)),
        undo: (where) => {
          assert.deepStrictEqual(where, { pipeline: "box", step: "slow", undoing: false, calls: [] })
          return Effect.asVoid(TestClock.adjust(7))
        }
      })
      yield* Effect.exit(Pipeline.run(Pipeline.make(header, slow, failing))).pipe(
        Effect.provideService(Events, (event) => Effect.sync(() => void events.push(event)))
      )
      const at = (_tag: Event["_tag"], step: string, milliseconds?: number) => ({
        _tag,
        pipeline: "box",
        step,
        ...milliseconds === undefined ? {} : { milliseconds }
      })
      assert.deepStrictEqual(events as ReadonlyArray<unknown>, [
        at("Started", "slow"),
        at("Completed", "slow", 30),
        at("Started", "failing"),
        at("Failed", "failing", 0),
        at("Undone", "slow", 7)
      ])
    }).pipe(noKernel))

  const deaths: Readonly<Record<string, () => Effect.Effect<void>>> = {
    dies: () => Effect.die(new Error("listener")),
    throws: () => {
      throw new Error("listener")
    }
  }
  for (const [how, die] of Object.entries(deaths)) {
    it.effect(`a listener that ${how} does not keep what was done from being undone`, () =>
      Effect.gen(function*() {
        const { lines, step } = journal()
        const exit = yield* Effect.exit(Pipeline.run(Pipeline.make(header, step("a"), step("b")))).pipe(
          Effect.provideService(
            Events,
            (event) => event._tag === "Completed" && event.step === "b" || event._tag === "Undone" ? die() : Effect.void
          )
        )
        assert.isTrue(Exit.isFailure(exit))
        assert.deepStrictEqual(lines, ["a", "b", "undo b", "undo a"])
      }).pipe(noKernel))
  }
})

describe("problems and runUnchecked", () => {
  const needsName = Step.make("needsName", {
    doc: "",
    calls: [],
    requires: [Name],
    reversal: "harmless",
    run: Effect.asVoid(Name)
  })
  const givesName = Step.make("givesName", {
    doc: "",
    calls: [],
    provides: Name,
    reversal: "harmless",
    run: Effect.succeed("x")
  })
  const last = Step.make("last", { doc: "", calls: [], reversal: "terminal", run: Effect.void })

  it("names every rule that is broken", () => {
    const { step } = journal()
    const twin: Step.Any = step("twin")
    const pipeline: Pipeline.Any = {
      ...Pipeline.make(header),
      steps: [needsName, givesName, twin, twin, last, step("late")]
    } as never
    assert.deepStrictEqual(Pipeline.problems(pipeline), [
      "step \"needsName\" requires \"Name\", which no earlier step provides (\"givesName\" does, and must stand before it)",
      "step \"twin\" stands twice",
      "step \"late\" stands after \"last\", which is terminal"
    ])
    const sound = Pipeline.make(header, givesName, needsName, last)
    assert.deepStrictEqual(Pipeline.problems(sound), [])
    // a pipeline that was found sound, and was changed since
    Object.assign(sound.steps, [needsName, givesName])
    assert.deepStrictEqual(Pipeline.problems(sound).length, 1)
  })

  it("refuses a key that stands for two facts when it is built, and names both", () => {
    class Namesake extends Context.Service<Namesake, string>()("Name") {}
    const takesOther = Step.make("takesOther", {
      doc: "",
      calls: [],
      requires: [Namesake],
      reversal: "harmless",
      run: Effect.asVoid(Namesake)
    })
    const said = "the key \"Name\" stands for two facts: that of step \"givesName\", and that of step \"takesOther\""
    // to the compiler both are the same: only their declarations differ
    assert.throws(() => Pipeline.make(header, givesName, takesOther), said)
    assert.throws(() => Pipeline.append(Pipeline.make(header, givesName), takesOther), said)
    assert.throws(() => Pipeline.make({ ...header, inputs: [Name] }, takesOther), /that of an input/)
    const pipeline = { ...Pipeline.make(header), steps: [givesName, takesOther] } as never
    assert.deepStrictEqual(Pipeline.problems(pipeline), [said])
    // a flow that is loaded from a file has copies of this package's own keys
    class Init extends Context.Service<Init, string>()("runfx/Init") {}
    class Copy extends Context.Service<Copy, string>()("runfx/Init") {}
    const takesCopy = { ...takesOther, name: "takesCopy", requires: ["runfx/Init"], keys: [Copy] }
    assert.deepStrictEqual(
      Pipeline.problems({ ...Pipeline.make({ ...header, inputs: [Init] }), steps: [takesCopy] } as never),
      []
    )
  })

  it.effect("runs no step of a pipeline that breaks a rule", () =>
    Effect.gen(function*() {
      const { lines, step } = journal()
      const exit = yield* Effect.exit(Pipeline.runUnchecked(Pipeline.make(header, step("a"), needsName)))
      assert.instanceOf(failure(exit), InvalidPipelineError)
      assert.include(failure(exit).message, "requires \"Name\"")
      assert.deepStrictEqual(lines, [])
      yield* Pipeline.runUnchecked(Pipeline.make(header, step("a"), givesName, needsName))
      assert.deepStrictEqual(lines, ["a"])
    }).pipe(noKernel))
})
