/**
 * The calls that are made are among those that the steps declare, and a plan tells the calls of the run that follows on the
 * same state: for each command of the runtime, over random containers on random hosts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { PreventSchedulerYield } from "effect/Scheduler"
import * as Schema from "effect/Schema"
import fc from "fast-check"
import * as Plan from "../../../src/engine/Plan.ts"
import { SIG } from "../../../src/native/constants.ts"
import type { Fork } from "../../../src/native/Fork.ts"
import { type Kernel, render } from "../../../src/native/Kernel.ts"
import { presets } from "../../../src/pipelines/presets.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { ModelKernel, PlanDiff, Recorder, type State } from "../../../src/testing/Testing.ts"
import { processOf, stateRoot } from "../../support/flows/containers.ts"
import { undeclared } from "../../support/flows/failures.ts"
import { perform, programs, report, runs, verdict } from "../../support/flows/runs.ts"
import { calledBy, id, type Scene, sceneOf } from "../../support/flows/scenes.ts"
import { setting } from "../../support/flows/settings.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()

/** A clock that stands still, for the plan and the run: how long a wait takes decides how often it is repeated. */
const clock: Clock.Clock = {
  currentTimeMillisUnsafe: () => 0,
  currentTimeMillis: Effect.succeed(0),
  currentTimeNanosUnsafe: () => 0n,
  currentTimeNanos: Effect.succeed(0n),
  monotonicTimeNanosUnsafe: () => 0n,
  monotonicTimeNanos: Effect.succeed(0n),
  sleep: () => Effect.void
}

type Act = Effect.Effect<unknown, unknown, Kernel | Fork>

/** The calls of the steps, and the plan that is made of them. */
interface Told {
  readonly plan: Plan.Plan
  readonly record: ReadonlyArray<Recorder.Entry>
}

const toldBy = (recorder: Recorder.Recorder): Told => {
  const record = recorder.entries().filter(({ step }) => step !== "")
  return { record, plan: Plan.make({ title: "run", record, pipelines: presets }) }
}

/** The plan of a command, which runs on a model of its own. */
const planOf = (state: State.State, act: Act): Told => {
  const model = ModelKernel.make(state, { programs })
  const recorder = Recorder.make()
  Effect.runSyncExit(act.pipe(
    Effect.provideService(Clock.Clock, clock),
    // as `perform` has it
    Effect.provideService(PreventSchedulerYield, true),
    Effect.provide(recorder.layer),
    Effect.provide(model.layer)
  ))
  return toldBy(recorder)
}

/** A run on the same clock, with every call on record. */
const runOf = (state: State.State, act: Act) => {
  const recorder = Recorder.make()
  const ran = perform(state, act.pipe(Effect.provideService(Clock.Clock, clock), Effect.provide(recorder.layer)))
  return { ...ran, ...toldBy(recorder) }
}

/** The calls of each process in their order: who of several goes first is not the plan's to tell. */
const bySide = (calls: ReadonlyArray<{ readonly side: string; readonly text: string }>): string => {
  const sides = new Map<string, Array<string>>()
  for (const { side, text } of calls) {
    const list = sides.get(side)
    if (list === undefined) sides.set(side, [text])
    else list.push(text)
  }
  return [...sides].toSorted(([a], [b]) => a < b ? -1 : 1).map(([side, list]) => `${side}:\n${list.join("\n")}`).join(
    "\n"
  )
}

/** Every call with its own numbers, and a wait as often as it is made. */
const raw = (record: Told["record"]): string =>
  bySide(record.map(({ call, side, step }) => ({ side, text: `${step} ${render(call)}` })))

const waits: ReadonlySet<string> = new Set(["nanosleep", "poll", "waitid"])

/** The calls of each step of each process, by name. */
const bySteps = (calls: ReadonlyArray<{ readonly side: string; readonly step: string; readonly name: string }>) => {
  const steps = new Map<string, Array<string>>()
  for (const { name, side, step } of calls) {
    const key = `${side} ${step}`
    steps.set(key, [...steps.get(key) ?? [], name])
  }
  return steps
}

/** Every call of a run is in its plan, and no other; only a step that waits may tell once what it does again and again. */
const wrongRows = (plan: Plan.Plan, record: Told["record"]): ReadonlyArray<string> => {
  const told = bySteps(plan.rows.flatMap(({ calls, side, step }) => calls.map(({ name }) => ({ name, side, step }))))
  const run = bySteps(record.map(({ call, side, step }) => ({ name: call._tag, side, step })))
  return [...new Set([...told.keys(), ...run.keys()])].filter((key) => {
    const [mine, its] = [told.get(key) ?? [], run.get(key) ?? []]
    if (!its.some((name) => waits.has(name))) return mine.join() !== its.join()
    // nothing that was not called in this order, and whatever is called between two waits, in one piece
    let at = 0
    for (const name of its) if (mine[at] === name) at++
    const row = `,${mine.join()},`
    const pieces = its.map((name) => waits.has(name) ? "\n" : `${name},`).join("").split("\n")
    return at < mine.length || pieces.some((piece) => !row.includes(`,${piece}`))
  }).map((key) => `${key}: the plan tells ${told.get(key)?.join()}, the run makes ${run.get(key)?.join()}`)
}

/** The commands one after the other, each on the machine that the ones before have left, with the children of the caller. */
const commands = ({ options, setting }: Scene) => {
  const process = { ...processOf(setting, setting.process, "tool"), terminal: false }
  return [
    () => Runtime.create(options),
    () => Runtime.start({ id, stateRoot, process }),
    (children: ReadonlyArray<number>) => Runtime.kill(id, SIG.KILL, { stateRoot, children }),
    () => Runtime.remove(id, { stateRoot })
  ] satisfies ReadonlyArray<(children: ReadonlyArray<number>) => Act>
}

describe("a plan", () => {
  it("tells the calls of the run that follows on the same state, which are among those that are declared", () => {
    const counts = { containers: 0, plans: 0, calls: 0 }
    const wanted = runs(2000)
    fc.assert(
      fc.property(setting, (setting) => {
        if (counts.plans >= wanted) return
        const scene = sceneOf(setting)
        let { state } = scene
        // version 1 has a dozen hierarchies, and a kill there thousands of calls: of one in eight
        const isShort = setting.host.cgroup === "v2" || counts.containers++ % 8 === 0
        for (const command of commands(scene).slice(0, isShort ? 4 : 2)) {
          // the program that was executed last is the caller's to reap
          const act: Act = command(state.executed.slice(-1).map(({ pid }) => pid))
          const planned = planOf(state, act)
          const ran = runOf(state, act)
          assert.strictEqual(raw(planned.record), raw(ran.record))
          assert.strictEqual(PlanDiff.between(planned.plan, ran.plan), "")
          verdict([...undeclared(ran.seen), ...wrongRows(planned.plan, ran.record)], ran)
          counts.plans++
          counts.calls += ran.record.length
          if (Exit.isFailure(ran.exit)) return
          state = calledBy(ran.model.state(), scene.caller)
        }
      }),
      { numRuns: wanted }
    )
    report(`${counts.plans} plans, each with the run that follows, of ${counts.calls} calls in all`)
    assert.isAtLeast(counts.plans, wanted)
  })

  it("tells the arguments too, is the same every time, and can be written and read back", () => {
    fc.assert(
      fc.property(setting, (setting) => {
        const scene = sceneOf(setting)
        const act = Runtime.create(scene.options)
        const { plan: planned, record } = planOf(scene.state, act)
        const ran = runOf(scene.state, act)
        // numbers and all, and then by what the numbers stand for
        assert.strictEqual(raw(record), raw(ran.record))
        const texts = ({ rows }: Plan.Plan): string =>
          bySide(rows.flatMap(({ calls, side }) => calls.map(({ text }) => ({ side, text }))))
        assert.strictEqual(texts(planned), texts(ran.plan))
        assert.deepStrictEqual(planOf(scene.state, act).plan, planned)
        const json = JSON.parse(JSON.stringify(Schema.encodeSync(Plan.Plan)(planned)))
        assert.deepStrictEqual(Schema.decodeUnknownSync(Plan.Plan)(json), planned)
      }),
      { numRuns: runs(50) }
    )
  })
})
