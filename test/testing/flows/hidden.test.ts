/** A container whose first process `/proc` shows from its exec on only, as with hidepid=2 for a user without privileges. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { SIG } from "../../../src/native/constants.ts"
import type { AnyPidfd } from "../../../src/native/Handle.ts"
import { sys } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import { type Hooks, perform, verdict } from "../../support/flows/runs.ts"
import { sceneOf } from "../../support/flows/scenes.ts"
import { setting } from "../../support/runningContainer.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()

/** `/proc` does not show a process to these steps. */
const hiddenTo = (...steps: ReadonlyArray<string>): NonNullable<Hooks["rule"]> => ({ call, step }) =>
  steps.includes(step ?? "") && "path" in call && /^(\/proc\/)?\d+(\/|$)/.test(call.path) ? "ENOENT" : undefined

/** A run of a program that runs until it is killed. */
const run = (...hidden: ReadonlyArray<string>) => {
  const { options, state } = sceneOf(setting("v2"))
  const kill = ({ pidfd }: { readonly pidfd: AnyPidfd }) =>
    Effect.orDie(sys.pidfd_send_signal({ pidfd, signal: SIG.KILL }))
  const ran = perform(state, Runtime.run(options, kill), { rule: hiddenTo(...hidden) })
  verdict(Exit.isSuccess(ran.exit) ? [] : [String(ran.exit)], ran)
  return ran
}

/** The states that a step writes down. */
const statesOf = ({ seen }: ReturnType<typeof run>, name: string) =>
  seen.flatMap(({ call, step }) =>
    step === name && call._tag === "write" ? [JSON.parse(Buffer.from(call.data).toString()) as { init?: object }] : []
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
})
