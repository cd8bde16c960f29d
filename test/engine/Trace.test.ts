/** A run as a trace: what is in it, held against the published format, also if the run fails wherever it can. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as fc from "fast-check"
import process from "node:process"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import * as Trace from "../../src/engine/Trace.ts"
import { place, type Slice } from "../../src/engine/traceSlices.ts"
import * as Ahead from "../../src/native/Ahead.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Call, Kernel, sys, SyscallError } from "../../src/native/Kernel.ts"
import { ModelKernel } from "../../src/testing/Testing.ts"
import { flows } from "../support/flowFaults.ts"
import { stepsOf } from "../support/flows/failures.ts"
import { perform, type Seen } from "../support/flows/runs.ts"
import { sceneOf } from "../support/flows/scenes.ts"
import { setting } from "../support/flows/settings.ts"
import { withoutTraces } from "../support/shortTraces.ts"
import { readTrace } from "../support/traceFormat.ts"

withoutTraces()

/** Two containers, the same at every run. */
const scenes = fc.sample(setting, { seed: 11, numRuns: 2 }).map((drawn) =>
  sceneOf({ ...drawn, process: { ...drawn.process, terminal: false } })
)

const traced = (scene: typeof scenes[number], rule?: (seen: Seen) => "EIO" | undefined) => {
  const { act, state } = flows.run(scene)!
  const trace = Trace.make({ pid: 900 })
  const ran = perform(state, trace.record(act), rule === undefined ? {} : { rule })
  return { ran, ...readTrace(trace.toText({ title: "run web" })) }
}

const stepsIn = (events: ReturnType<typeof readTrace>["events"]) => events.filter(({ cat }) => cat === "step")

describe("a trace", () => {
  it("has the steps and calls of all processes, in the format of its viewers", () => {
    for (const scene of scenes) {
      const { about, events, ran, wrong } = traced(scene)
      assert.deepStrictEqual(wrong, [])
      assert.deepStrictEqual(about, { title: "run web" })
      assert.isTrue(Exit.isSuccess(ran.exit))
      const calls = events.filter(({ cat }) => cat === "call")
      assert.deepStrictEqual(calls.map(({ name }) => name).toSorted(), ran.seen.map(({ call }) => call._tag).toSorted())
      const steps = new Set(stepsIn(events).map(({ args, name }) => `${args["pipeline"]}/${name}`))
      for (const { pipeline, step } of ran.seen) if (step !== "") assert.isTrue(steps.has(`${pipeline}/${step}`), step)
      assert.deepStrictEqual(
        events.filter(({ args }) => args?.["unfinished"] === true || args?.["failed"] === true),
        []
      )
      const names = events.filter(({ name }) => name === "process_name").map(({ args }) => args["name"])
      assert.deepStrictEqual(names.slice(0, 2), ["parent (create)", names[1]])
      assert.match(names[1], /^init \((standard|userns)\)$/)
    }
  })

  it("holds if the first call of any step fails, and marks the step that failed", () => {
    // one of them: it runs as often as it has steps
    for (const scene of scenes.slice(0, 1)) {
      const first = new Map<string, Seen>()
      for (const seen of traced(scene).ran.seen) {
        const key = `${seen.side}/${seen.pipeline}/${seen.step}`
        if (!first.has(key)) first.set(key, seen)
      }
      assert.isAbove(first.size, 20)
      for (const { number } of first.values()) {
        const { events, ran, wrong } = traced(scene, (seen) => seen.number === number ? "EIO" : undefined)
        assert.deepStrictEqual(wrong, [], `call ${number}`)
        assert.isAbove(events.filter(({ args, cat }) => cat === "call" && args["errno"] === "EIO").length, 0)
        assert.deepStrictEqual(events.filter(({ args }) => args?.["unfinished"] === true), [])
        if (Exit.isSuccess(ran.exit)) continue
        const failed = new Set(
          stepsIn(events).filter(({ args }) => args["failed"]).map(({ args, name }) => `${args["pipeline"]}/${name}`)
        )
        const error = ran.exit.cause.reasons.find(Cause.isFailReason)?.error
        for (const step of stepsOf(error)) assert.isTrue(failed.has(`${step} (failed)`), `${step} of call ${number}`)
        const marks = events.filter(({ cat }) => cat === "failure").map(({ name }) => name)
        for (const step of stepsOf(error)) assert.include(marks, `failed: ${step.replace("/", ": ")}`)
      }
    }
  })

  it("holds in the middle of a run", () => {
    const trace = Trace.make()
    let text = ""
    const look = Step.make("look", {
      doc: "",
      calls: ["uname"],
      reversal: "harmless",
      run: Effect.andThen(sys.uname({}), Effect.sync(() => void (text = trace.toText())))
    })
    const pipeline = Pipeline.make({ name: "looking", doc: "", inputs: [] }, look)
    const { layer } = ModelKernel.make()
    Effect.runSync(Effect.provide(trace.record(Pipeline.run(pipeline)), layer))
    const { events, wrong } = readTrace(text)
    assert.deepStrictEqual(wrong, [])
    assert.deepStrictEqual(stepsIn(events).map(({ args, name }) => [name, args["unfinished"]]), [["look", true]])
    assert.deepStrictEqual(stepsIn(readTrace(trace.toText()).events).map(({ args }) => args["unfinished"]), [undefined])
  })

  it("has no values of an environment, and no characters that are not seen", () => {
    const trace = Trace.make()
    const { layer } = ModelKernel.make()
    const exec = sys.execve({ path: "/nope\u202e</script>", argv: ["a"], envp: ["TOKEN=secret"] })
    Effect.runSyncExit(Effect.provide(trace.record(exec), layer))
    const text = trace.toText({ title: "\u001b[2J" })
    assert.notInclude(text, "secret")
    assert.notMatch(text, /(?![\n])[\p{Cc}\p{Cf}]/u)
    assert.strictEqual(readTrace(text).about["title"], "\u001b[2J")
  })
})

const now = (): number => Number(process.hrtime.bigint()) / 1e6

const hostname = (name: string): Call => ({ _tag: "sethostname", name })

/** Runs two steps ahead, which take the given times of the process's clock. */
const ahead = (timesOf: (settled: number) => ReadonlyArray<Ahead.Times | undefined>) => {
  let settled = 0
  const refused = Exit.fail(new SyscallError({ call: hostname("b"), code: "EPERM" }))
  const calls: ReadonlyArray<ReadonlyArray<Ahead.Settled>> = [
    [{ call: hostname("a"), exit: Exit.void }, { call: hostname("b"), exit: refused }],
    []
  ]
  const journey: Ahead.Journey = {
    copied: () => undefined,
    keeps: () => false,
    part: (_, self) => Effect.exit(self),
    isLost: false,
    left: undefined,
    certain: 0,
    settle: Effect.sync(() => {
      settled = now()
      return undefined
    }),
    times: (part) => timesOf(settled)[part],
    keep: () => {},
    calls: (part) => calls[part]!,
    guessing: (_, self) => self,
    invoke: () => Effect.die("no call was expected"),
    once: (self) => self,
    enter: () => () => {}
  }
  const kernel: Kernel["Service"] = { invoke: () => Effect.die("no call was expected") }
  Ahead.provide(kernel, Effect.succeed(journey))
  const step = (name: string) =>
    Step.make(name, { doc: "", calls: [], reversal: "harmless", replayable: true, run: Effect.void })
  const pipeline = Pipeline.make({ name: "both", doc: "", inputs: [] }, step("one"), step("two"))
  const trace = Trace.make()
  const began = now()
  Effect.runSync(
    trace.record(Pipeline.run(pipeline)).pipe(
      Effect.provideService(Kernel, kernel),
      Effect.provideService(Fork, ModelKernel.make().fork)
    )
  )
  const { events, wrong } = readTrace(trace.toText())
  assert.deepStrictEqual(wrong, [])
  return { began, steps: stepsIn(events), settled: () => settled }
}

describe("steps that ran ahead, in a trace", () => {
  it("have the times that their process has noted, and their calls in order", () => {
    const { steps } = ahead((at) => [{ began: at - 0.003, ended: at - 0.002 }, { began: at - 0.002, ended: at }])
    assert.deepStrictEqual(steps.map(({ dur, name }) => [name, Math.round(dur)]), [["one", 1], ["two", 2]])
    assert.deepStrictEqual(steps[0]!.args["callsFromList"], ["sethostname(\"a\")", "sethostname(\"b\") = -1 EPERM"])
    assert.notProperty(steps[0]!.args, "time")
  })

  it("have none that can't be: of another clock, or of a process that lies", () => {
    const lies = [undefined, { began: 5, ended: 6 }, { began: 1e15, ended: 2e15 }]
    for (const lie of lies) {
      const { steps } = ahead(() => [lie, lie])
      assert.deepStrictEqual(steps.map(({ args, name }) => [name, args["time"]]), [["one", "not known"], [
        "two",
        "not known"
      ]])
      for (const { dur, ts } of steps) assert.isBelow(ts + dur, 60_000_000)
    }
  })
})

describe("slices in lanes", () => {
  it("are whole: fibers at the same time have a lane each, and those that follow one another share one", () => {
    const call = (fiber: number, began: number, ended: number): Slice => ({
      name: "x",
      kind: "call",
      fiber,
      began,
      ended,
      args: {}
    })
    const slices = [call(1, 0, 4), call(2, 1, 6), call(3, 4, 9), call(4, 7, 8)]
    const placed = place(slices, 0, 10)
    assert.deepStrictEqual(placed.map(({ lane, slice }) => [slice.fiber, lane]), [[1, 0], [2, 1], [3, 0], [4, 1]])
    assert.deepStrictEqual(placed.map(({ from, to }) => [from / 1e6, to / 1e6]), [[0, 4], [1, 6], [4, 9], [7, 8]])
  })

  it("nest, whatever times are given, and those of one fiber share a lane", () => {
    const time = fc.nat(50).map((n) => n / 1000)
    const slice = fc.record({
      fiber: fc.nat(3),
      kind: fc.constantFrom("step" as const, "call" as const),
      began: time,
      ended: fc.option(time, { nil: undefined })
    }).map((drawn): Slice => ({ ...drawn, name: "x", args: {} }))
    fc.assert(fc.property(fc.array(slice, { maxLength: 12 }), (slices) => {
      const placed = place(slices, 0, 0.1)
      assert.strictEqual(placed.length, slices.length)
      const lanes = new Map(placed.map(({ lane, slice: { fiber } }) => [fiber, lane]))
      for (const one of placed) {
        assert.strictEqual(lanes.get(one.slice.fiber), one.lane)
        assert.isAtLeast(one.to, one.from)
        for (const other of placed) {
          if (one === other || one.lane !== other.lane) continue
          const apart = one.to <= other.from || other.to <= one.from
          const inside = (a: typeof one, b: typeof one) => a.from >= b.from && a.to <= b.to
          assert.isTrue(apart || inside(one, other) || inside(other, one))
        }
      }
    }))
  })
})
