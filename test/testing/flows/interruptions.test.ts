/**
 * Faults and interruptions at calls one after the other, through the whole of each flow, for containers of five kinds; and
 * a second fault while something is undone.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import fc from "fast-check"
import { PipelineError } from "../../../src/engine/PipelineError.ts"
import { afterFault, afterInterruption, errnos, flows, gone, nth } from "../../support/flowFaults.ts"
import { tells, undeclared, wrongCause } from "../../support/flows/failures.ts"
import { frozen, leftovers } from "../../support/flows/leftovers.ts"
import { perform, report, runs, verdict } from "../../support/flows/runs.ts"
import { sceneOf } from "../../support/flows/scenes.ts"
import { part } from "../../support/flows/settings.ts"
import { withoutTraces } from "../../support/shortTraces.ts"
import { kinds } from "./kinds.ts"

withoutTraces()

const scenes = Object.entries(kinds).map(([kind, setting]) => ({ kind, scene: sceneOf(setting) }))

describe("at every single call", () => {
  const every = ["EPERM", "EINTR"] as const
  for (const { kind, scene } of scenes) {
    for (const name of ["create", "exec", "kill", "remove"] as const) {
      it(`${name} ${kind}: a fault or an interruption leaves nothing`, () => {
        const flow = flows[name](scene)
        if (flow === undefined) throw new Error("the container does not start")
        const whole = perform(flow.state, flow.act)
        verdict(Exit.isSuccess(whole.exit) ? [] : ["it fails without a fault"], whole)
        // calls at even distances, and all of them where there is time
        const stride = Math.max(1, Math.floor(whole.seen.length / runs(flow.undoes ? 25 : 15)))
        let cases = 0
        for (let number = 1; number <= whole.seen.length; number += stride) {
          for (const code of every) {
            const ran = perform(flow.state, flow.act, { rule: nth(number, code) })
            verdict(afterFault(scene, flow, ran, code), ran)
          }
          const ran = perform(flow.state, flow.act, { interruptAt: number })
          verdict(afterInterruption(scene, flow, ran), ran)
          cases += every.length + 1
        }
        report(`${cases} faults and interruptions by position in ${name} ${kind}`)
      })
    }
  }
})

describe("a fault while something is undone", () => {
  it("stands beside the error that came first", () => {
    const counts = { faults: 0, told: 0 }
    const started = scenes.flatMap(({ scene }) =>
      (["create", "exec"] as const).map((name) => {
        const flow = flows[name](scene)!
        return { scene, flow, length: perform(flow.state, flow.act).seen.length }
      })
    )
    const untold = errnos.filter((code) => !gone.has(code))
    fc.assert(
      fc.property(
        fc.nat(started.length - 1),
        part,
        fc.array(fc.tuple(part, fc.constantFrom(...untold)), { minLength: 4, maxLength: 4 }),
        (which, first, seconds) => {
          const { flow, length, scene } = started[which]!
          const at = Math.floor(first * length) + 1
          const once = perform(flow.state, flow.act, { rule: nth(at, "ENOTSUP") })
          const undo = once.seen.filter(({ side, undoing }) => undoing && side === "parent")
          if (Exit.isSuccess(once.exit) || undo.length === 0) return
          for (const [second, code] of seconds) {
            const again = undo[Math.floor(second * undo.length)]!
            const ran = perform(flow.state, flow.act, {
              rule: (seen) => nth(at, "ENOTSUP")(seen) ?? nth(again.number, code)(seen)
            })
            counts.faults++
            const wrong = [...undeclared(ran.seen), ...frozen(ran.model.state())]
            if (Exit.isSuccess(ran.exit)) wrong.push("it succeeded")
            else {
              const error = Cause.squash(ran.exit.cause)
              wrong.push(...wrongCause(ran.exit.cause, ran.seen))
              if (!(error instanceof PipelineError)) wrong.push("it is no failure of a pipeline")
              else {
                if (!tells(error, "ENOTSUP") && tells(Cause.squash(once.exit.cause), "ENOTSUP")) {
                  wrong.push("the first error is lost")
                }
                const beside = error.rollback.filter(({ step }) => step === again.step)
                if (beside.length > 0) counts.told++
                // what was not told must have been of no consequence
                else wrong.push(...leftovers(flow.state, ran.model.state(), scene.caller))
                if (beside.some(({ cause }) => !Cause.pretty(cause).includes(code))) wrong.push(`${code} is not told`)
              }
            }
            verdict(wrong, ran)
          }
        }
      ),
      { numRuns: runs(300) }
    )
    report(`${counts.faults} faults while a failed flow was undone, ${counts.told} of which were told beside its error`)
    assert.isAbove(counts.told, counts.faults / 5)
  })
})
