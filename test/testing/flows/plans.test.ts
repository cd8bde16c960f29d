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
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { ModelKernel, Recorder, type State } from "../../../src/testing/Testing.ts"
import {
  calledBy,
  id,
  perform,
  pipelines,
  programs,
  report,
  runs,
  type Scene,
  sceneOf,
  undeclared,
  verdict
} from "../../support/flowChecks.ts"
import { processOf, setting, stateRoot } from "../../support/flowGenerators.ts"

Error.stackTraceLimit = 0

/** A clock that stands still: a plan and a run differ in the time that they tell, and in nothing else. */
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

/** The plan of a command, which runs on a model of its own. */
const planOf = (state: State.State, act: Act): Plan.Plan => {
  const model = ModelKernel.make(state, { programs })
  const recorder = Recorder.make()
  Effect.runSyncExit(act.pipe(
    Effect.provideService(Clock.Clock, clock),
    // as `perform` has it
    Effect.provideService(PreventSchedulerYield, true),
    Effect.provide(recorder.layer),
    Effect.provide(model.layer)
  ))
  return Plan.make({ title: "run", record: recorder.entries().filter(({ step }) => step !== ""), pipelines })
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
          const ran = perform(state, act)
          const made = ran.seen.filter(({ step }) => step !== "")
          assert.strictEqual(
            bySide(
              planned.rows.flatMap(({ calls, side, step }) =>
                calls.map(({ name }) => ({ side, text: `${step} ${name}` }))
              )
            ),
            bySide(made.map(({ call, side, step }) => ({ side, text: `${step} ${call._tag}` })))
          )
          verdict(undeclared(ran.seen), ran)
          counts.plans++
          counts.calls += made.length
          if (Exit.isFailure(ran.exit)) return
          state = calledBy(ran.model.state(), scene.caller)
        }
      }),
      { numRuns: wanted }
    )
    report(`${counts.plans} plans, each with the run that follows, of ${counts.calls} calls in all`)
    assert.isAtLeast(counts.plans, wanted)
  }, 600_000)

  it("tells the arguments too, is the same every time, and can be written and read back", () => {
    fc.assert(
      fc.property(setting, (setting) => {
        const scene = sceneOf(setting)
        const act = Effect.provideService(Runtime.create(scene.options), Clock.Clock, clock)
        const planned = planOf(scene.state, act)
        const made = perform(scene.state, act).seen.filter(({ step }) => step !== "")
        assert.strictEqual(
          bySide(planned.rows.flatMap(({ calls, side }) => calls.map(({ text }) => ({ side, text })))),
          bySide(made.map(({ call, side }) => ({ side, text: render(call) })))
        )
        assert.deepStrictEqual(planOf(scene.state, act), planned)
        const json = JSON.parse(JSON.stringify(Schema.encodeSync(Plan.Plan)(planned)))
        assert.deepStrictEqual(Schema.decodeUnknownSync(Plan.Plan)(json), planned)
      }),
      { numRuns: runs(50) }
    )
  }, 600_000)
})
