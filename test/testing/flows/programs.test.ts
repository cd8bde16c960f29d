/** What a program has been given when it starts, over random containers on random hosts. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import fc from "fast-check"
import { validate } from "../../../src/config/validate.ts"
import { SIG } from "../../../src/native/constants.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import type { State } from "../../../src/testing/Testing.ts"
import { processOf, stateRoot } from "../../support/flows/containers.ts"
import { undeclared, wrongCause } from "../../support/flows/failures.ts"
import { frozen, leftovers } from "../../support/flows/leftovers.ts"
import { wrongProgram } from "../../support/flows/programs.ts"
import { perform, report, runs, verdict } from "../../support/flows/runs.ts"
import { calledBy, id, type Scene, sceneOf } from "../../support/flows/scenes.ts"
import { type ProcessSetting, processSetting, setting } from "../../support/flows/settings.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()

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
        // one more program, and the end of all, take as long again: of some
        if (counts.all % 8 !== 0) return
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
      { numRuns: runs(2000) }
    )
    report(
      `${counts.all} random containers, of which ${counts.started} started, and ${counts.executed} further programs in them`
    )
    // the property would hold, too, if nothing ever started
    assert.isAbove(counts.started, counts.all / 2)
    assert.isAbove(counts.executed, counts.started / 30)
  })
})
