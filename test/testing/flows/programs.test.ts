/**
 * What a program has been given when it starts, over random containers on random hosts; that the calls of a step are those
 * that it declares; that a plan tells the calls of the run.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import fc from "fast-check"
import { validate } from "../../../src/config/validate.ts"
import * as Plan from "../../../src/engine/Plan.ts"
import { SIG } from "../../../src/native/constants.ts"
import { create } from "../../../src/pipelines/create.ts"
import { standard } from "../../../src/pipelines/standard.ts"
import { userns } from "../../../src/pipelines/userns.ts"
import { usernsSetup } from "../../../src/pipelines/usernsSetup.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { ModelKernel, Recorder, type State } from "../../../src/testing/Testing.ts"
import {
  calledBy,
  frozen,
  id,
  leftovers,
  perform,
  runs,
  type Scene,
  sceneOf,
  undeclared,
  verdict,
  wrongCause,
  wrongProgram
} from "../../support/flowChecks.ts"
import { processOf, type ProcessSetting, processSetting, setting, stateRoot } from "../../support/flowGenerators.ts"

Error.stackTraceLimit = 0

/** Everything that runs in the container is killed, and what belongs to it removed. */
const end = (children: ReadonlyArray<number>) =>
  Effect.andThen(Runtime.kill(id, SIG.KILL, { stateRoot, children }), Runtime.remove(id, { stateRoot }))

const withoutHandles = (state: State.State, caller: number, before: State.State): State.State => {
  // what create hands to its caller is the caller's to close
  const { descriptors } = before.processes.get(caller)!
  const self = state.processes.get(caller)!
  return { ...state, processes: new Map(state.processes).set(caller, { ...self, descriptors }) }
}

/** Checks one more program in a container that runs. */
const executed = (scene: Scene, state: State.State, init: State.Executed, extra: ProcessSetting) => {
  const process = processOf(scene.setting, { ...extra, terminal: false }, "tool")
  const running = calledBy(state, scene.caller)
  const ran = perform(running, Runtime.start({ id, stateRoot, process }))
  verdict([
    ...undeclared(ran.seen),
    ...frozen(ran.model.state()),
    ...Exit.isSuccess(ran.exit)
      ? wrongProgram({ ...scene, exec: extra }, ran, process, init)
      : [...wrongCause(ran.exit.cause, ran.seen), ...leftovers(running, ran.model.state(), scene.caller)]
  ], ran)
  return { ran, children: Exit.isSuccess(ran.exit) ? [ran.exit.value.pid] : [] }
}

describe("the program of a container", () => {
  it("has exactly what its configuration says, or does not start and leaves nothing", () => {
    const counts = { all: 0, started: 0, executed: 0 }
    fc.assert(
      fc.property(setting, processSetting, (setting, extra) => {
        counts.all++
        const scene = sceneOf(setting)
        assert.deepStrictEqual(validate(scene.container), [])
        const ran = perform(scene.state, Runtime.create(scene.options))
        if (Exit.isFailure(ran.exit)) {
          verdict([
            ...wrongCause(ran.exit.cause, ran.seen),
            ...leftovers(scene.state, ran.model.state(), scene.caller),
            ...undeclared(ran.seen)
          ], ran)
          return
        }
        counts.started++
        verdict([
          ...wrongProgram(scene, ran, scene.container.process),
          ...undeclared(ran.seen),
          ...frozen(ran.model.state())
        ], ran)
        // who is in no cgroup and in no pid namespace of the container can't be found by its id
        if (setting.cgroup === "none" && setting.origins.pid !== "new") return
        const second = executed(scene, ran.model.state(), ran.model.executed().at(-1)!, extra)
        counts.executed += second.children.length
        // and all of it is gone in the end
        const ended = perform(calledBy(second.ran.model.state(), scene.caller), end(second.children))
        const last = withoutHandles(ended.model.state(), scene.caller, scene.state)
        verdict([
          ...Exit.isFailure(ended.exit) ? ["it can't be removed"] : leftovers(scene.state, last, scene.caller),
          ...undeclared(ended.seen)
        ], ended)
      }),
      { numRuns: runs(150) }
    )
    // the property would hold, too, if nothing ever started
    assert.isAbove(counts.started, counts.all / 2)
    assert.isAbove(counts.executed, counts.started / 3)
  }, 600_000)
})

const sideOf = (line: string): string => line.slice(0, line.indexOf(":"))

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

describe("a plan", () => {
  it("tells the calls of the run that follows on the same state, and can be written and read back", () => {
    fc.assert(
      fc.property(setting, (setting) => {
        const scene = sceneOf(setting)
        const plan = (): Plan.Plan => {
          const model = ModelKernel.make(scene.state)
          const recorder = Recorder.make()
          Effect.runSyncExit(Effect.provide(
            Effect.provide(Effect.provideService(Runtime.create(scene.options), Clock.Clock, clock), recorder.layer),
            model.layer
          ))
          return Plan.make({
            title: "run",
            record: recorder.entries().filter(({ step }) => step !== ""),
            pipelines: [create, standard, userns, usernsSetup]
          })
        }
        const planned = plan()
        const ran = perform(scene.state, Runtime.create(scene.options))
        // process by process: who of several goes first is not the plan's to tell
        const bySide = (lines: ReadonlyArray<string>) => lines.toSorted((a, b) => sideOf(a).localeCompare(sideOf(b)))
        const made = ran.seen.filter(({ step }) => step !== "").map(({ call, side, step }) =>
          `${side}: ${step} ${call._tag}`
        )
        assert.deepStrictEqual(
          bySide(planned.rows.flatMap(({ calls, side, step }) => calls.map(({ name }) => `${side}: ${step} ${name}`))),
          bySide(made)
        )
        assert.deepStrictEqual(plan(), planned)
        const json = JSON.parse(JSON.stringify(Schema.encodeSync(Plan.Plan)(planned)))
        assert.deepStrictEqual(Schema.decodeUnknownSync(Plan.Plan)(json), planned)
      }),
      { numRuns: runs(40) }
    )
  }, 600_000)
})
