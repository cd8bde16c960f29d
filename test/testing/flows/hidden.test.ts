/** A container whose first process `/proc` shows from its exec on only, as with hidepid=2 for a user without privileges. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { rootCause } from "../../../src/engine/PipelineError.ts"
import { SIG } from "../../../src/native/constants.ts"
import type { AnyPidfd } from "../../../src/native/Handle.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { InitUnidentified } from "../../../src/steps/parent/errors.ts"
import { leftovers } from "../../support/flows/leftovers.ts"
import { type Hooks, perform, verdict } from "../../support/flows/runs.ts"
import { sceneOf } from "../../support/flows/scenes.ts"
import { setting } from "../../support/runningContainer.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()

/** `/proc` does not show a process to these steps. */
const hiddenTo = (...steps: ReadonlyArray<string>): NonNullable<Hooks["rule"]> => ({ call, step }) =>
  steps.includes(step ?? "") && "path" in call && /^(\/proc\/)?\d+(\/|$)/.test(call.path) ? "ENOENT" : undefined

/** A container that nobody waits for. */
const create = (rule: NonNullable<Hooks["rule"]>) => {
  const { caller, options, state } = sceneOf(setting("v2"))
  const ran = perform(state, Runtime.create(options), { rule })
  return { ...ran, left: leftovers(state, ran.model.state(), caller) }
}

/** A run of a program that runs until it is killed. */
const run = (...hidden: ReadonlyArray<string>) => {
  const { options, state } = sceneOf(setting("v2"))
  const kill = ({ pidfd }: { readonly pidfd: AnyPidfd }) =>
    Effect.orDie(sys.pidfd_send_signal({ pidfd, signal: SIG.KILL }))
  const ran = perform(state, Runtime.run(options, kill), { rule: hiddenTo(...hidden) })
  verdict(Exit.isSuccess(ran.exit) ? [] : [String(ran.exit)], ran)
  return ran
}

type Written = { readonly init?: object; readonly hidden?: object; readonly runner?: object }

/** The states that a step writes down. */
const statesOf = ({ seen }: Pick<ReturnType<typeof run>, "seen">, name: string) =>
  seen.flatMap(({ call, step }) =>
    step === name && call._tag === "write" ? [JSON.parse(Buffer.from(call.data).toString()) as Written] : []
  )

describe("a first process that is hidden until its exec", () => {
  it("is written down when its program runs", () => {
    const ran = run("saveState")
    assert.isTrue(statesOf(ran, "saveState").every(({ init }) => init === undefined))
    const states = statesOf(ran, "leaveState")
    assert.isNotEmpty(states)
    assert.isTrue(states.every(({ init }) => init !== undefined))
  })

  it("and is still hidden then, is no reason to end the program", () => {
    const ran = run("saveState", "leaveState")
    assert.isEmpty(statesOf(ran, "leaveState"))
  })

  it("is written down once if it is seen at once", () => {
    const ran = run()
    assert.isTrue(statesOf(ran, "saveState").every(({ init }) => init !== undefined))
    assert.isEmpty(statesOf(ran, "leaveState"))
  })

  it("that nobody waits for is found by its pid, which it had at a time, and by its start from its exec on", () => {
    const ran = create(hiddenTo("saveState"))
    assert.isTrue(Exit.isSuccess(ran.exit), String(ran.exit))
    for (const { hidden, init, runner } of statesOf(ran, "saveState")) {
      assert.isUndefined(init)
      assert.isDefined(hidden)
      assert.isDefined(runner)
    }
    const states = statesOf(ran, "leaveState")
    assert.isNotEmpty(states)
    for (const { init, runner } of states) {
      assert.isDefined(init)
      assert.isUndefined(runner)
    }
  })

  for (
    const [what, rule] of [
      ["and is hidden for good", hiddenTo("saveState", "leaveState")],
      [
        "where /proc can't tell the time",
        (seen) => "path" in seen.call && seen.call.path === "/proc/uptime" ? "ENOENT" : hiddenTo("saveState")(seen)
      ]
    ] as ReadonlyArray<readonly [string, NonNullable<Hooks["rule"]>]>
  ) {
    it(`that nobody waits for ${what} is refused, with nothing left`, () => {
      const ran = create(rule)
      const reason = Exit.isFailure(ran.exit) ? rootCause(Cause.squash(ran.exit.cause)) : undefined
      assert.instanceOf(reason, InitUnidentified)
      assert.isEmpty(ran.left)
    })
  }
})
