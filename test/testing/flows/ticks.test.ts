/**
 * Interruptions at any moment, and not only at calls: fibers give way after every three operations, and the interruption
 * comes after a number of their turns that is drawn from a seed (`RUNFX_SEED`).
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import fc from "fast-check"
import { type Flow, flows } from "../../support/flowFaults.ts"
import { undeclared } from "../../support/flows/failures.ts"
import { frozen, leftovers } from "../../support/flows/leftovers.ts"
import { perform, type Ran, report, runs, verdict } from "../../support/flows/runs.ts"
import { type Scene, sceneOf } from "../../support/flows/scenes.ts"
import { part } from "../../support/flows/settings.ts"
import { withoutTraces } from "../../support/shortTraces.ts"
import { kinds } from "./kinds.ts"

withoutTraces()

const opsBeforeYield = 3

/** Whether a run was done as a whole: an interruption after its last call can only keep what it made from the caller. */
const isWhole = (whole: Ran<unknown, unknown>, ran: Ran<unknown, unknown>): boolean =>
  Exit.isSuccess(ran.exit) || ran.seen.length === whole.seen.length && !ran.seen.some(({ undoing }) => undoing)

/** What is wrong with a run that was interrupted, or was too quick for it. */
const wrongEnd = (
  { caller }: Scene,
  flow: Flow,
  whole: Ran<unknown, unknown>,
  ran: Ran<unknown, unknown>
): ReadonlyArray<string> => {
  const from = isWhole(whole, ran) ? whole.model.state() : flow.state
  return [
    ...undeclared(ran.seen),
    ...frozen(ran.model.state()),
    ...leftovers(from, ran.model.state(), caller),
    ...Exit.isSuccess(ran.exit) || Cause.hasInterruptsOnly(ran.exit.cause)
      ? []
      : ["it is neither an interruption nor a success"]
  ]
}

describe("an interruption at a random tick", () => {
  const names = ["create", "run", "exec"] as const
  const all = Object.entries(kinds).flatMap(([kind, setting]) => {
    const scene = sceneOf(setting)
    // who passes on what a terminal says waits by the host's clock, which does not move here
    return names.filter((name) => name !== "run" || !setting.process.terminal).map((name) => {
      const flow = flows[name](scene)
      if (flow === undefined) throw new Error(`${kind}: the container does not start`)
      const whole = perform(flow.state, flow.act, { opsBeforeYield })
      verdict(Exit.isSuccess(whole.exit) ? [] : ["it fails without an interruption"], whole)
      return { scene, flow, whole }
    })
  })

  it("leaves nothing, and is all that comes out", () => {
    const counts = { interrupted: 0, done: 0 }
    fc.assert(
      fc.property(fc.nat(all.length - 1), part, (which, when) => {
        const { flow, scene, whole } = all[which]!
        const ran = perform(flow.state, flow.act, {
          opsBeforeYield,
          interruptAtTick: Math.floor(when * whole.ticks) + 1
        })
        verdict(wrongEnd(scene, flow, whole, ran), ran)
        counts[isWhole(whole, ran) ? "done" : "interrupted"]++
      }),
      { numRuns: runs(500) }
    )
    report(`${counts.interrupted} interruptions at random ticks, and ${counts.done} that came too late`)
    assert.isAbove(counts.interrupted, counts.done)
  })
})
