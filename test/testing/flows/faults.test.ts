/**
 * Any call fails, over random containers on random hosts: the error is typed and names its step, what was done is undone
 * in reverse, and nothing is left.
 */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { afterFault, errnos, flows, isDone, type Name, nth } from "../../support/flowFaults.ts"
import { perform, report, runs, verdict } from "../../support/flows/runs.ts"
import { sceneOf } from "../../support/flows/scenes.ts"
import { part, setting } from "../../support/flows/settings.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()

/** How many faults one container is subjected to: the run that tells how many calls there are is for all of them. */
const each = 10

/** How many containers are drawn, for each flow. */
const containers: Readonly<Record<Exclude<Name, "run">, number>> = { create: 100, exec: 50, kill: 30, remove: 30 }

describe("whichever call fails", () => {
  const faults = fc.array(fc.tuple(part, fc.constantFrom(...errnos)), { minLength: each, maxLength: each })

  for (const name of ["create", "exec", "kill", "remove"] as const) {
    it(`${name} tells it, with its step, and leaves nothing`, () => {
      const counts = { faults: 0, failed: 0 }
      const wanted = runs(containers[name]) * each
      fc.assert(
        fc.property(setting, faults, (setting, faults) => {
          if (counts.faults >= wanted) return
          const scene = sceneOf(setting)
          const flow = flows[name](scene)
          // a container that can't start has no further flow
          if (flow === undefined) return
          const whole = perform(flow.state, flow.act)
          // what fails by itself has an error of its own to tell
          if (!isDone(whole)) return
          for (const [where, code] of faults) {
            const number = Math.floor(where * whole.seen.length) + 1
            const ran = perform(flow.state, flow.act, { rule: nth(number, code) })
            counts.faults++
            if (!isDone(ran)) counts.failed++
            verdict(afterFault(scene, flow, ran, code), ran)
          }
        }),
        { numRuns: runs(containers[name]) * 4 }
      )
      report(`${counts.faults} random faults in ${name}, ${counts.failed} of which were its end`)
      assert.isAtLeast(counts.faults, wanted)
      assert.isAbove(counts.failed, counts.faults / 10)
    })
  }
})
