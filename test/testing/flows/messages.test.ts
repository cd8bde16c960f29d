/**
 * Each call of each step fails as its man page says that it can: the message names the step, the call with its arguments or
 * what it means, the errno, and what to do; the exit code is that of an error, and nothing is left.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { exitCodeOf, PipelineError, rootCause } from "../../../src/engine/PipelineError.ts"
import type { Errno } from "../../../src/native/Errno.ts"
import { afterFault, type Flow, flows, isDone, nth } from "../../support/flowFaults.ts"
import { perform, type Ran, report, runs, type Seen } from "../../support/flows/runs.ts"
import { type Scene, sceneOf } from "../../support/flows/scenes.ts"
import { manPageErrnos } from "../../support/manPageErrnos.ts"
import { withoutTraces } from "../../support/shortTraces.ts"
import { kinds } from "./kinds.ts"

withoutTraces()

/** How many errnos of each call of each step are tried; others with another `RUNFX_SEED`. */
const each = runs(1)
const seed = Number(process.env["RUNFX_SEED"] ?? 0)

/** What is wrong with a message. */
const misshapen = (error: unknown, seen: Seen, code: Errno): ReadonlyArray<string> => {
  if (!(error instanceof PipelineError)) return ["it is no PipelineError"]
  const [headline = "", ...rest] = error.message.split("\n")
  const root = rootCause(error)
  const words = root instanceof Error ? root.message : ""
  const way = error.path.flatMap(({ pipeline, step }) => [pipeline, step]).join(": ")
  return [
    ...headline === `${way}: ${words.split("\n")[0]}` ? [] : ["it does not begin with the way to the step"],
    ...rest.some((line) => /^ {2}what to do: \S/.test(line)) ? [] : ["it does not say what to do"],
    // an error that says in words what the errno means there has its reason
    ...headline.includes(code) || "_tag" in (root as object) && !words.includes("= -1") ? [] : ["no errno is named"],
    ...words.includes("undefined") || words.includes("[object") ? ["it shows what is no text"] : [],
    ...exitCodeOf(error) >= 1 && exitCodeOf(error) <= 127 ? [] : ["its exit code is none of an error"]
  ].map((problem) => `${problem} (${seen.pipeline}/${seen.step}: ${seen.call._tag}, ${code})`)
}

/** Each call of each step that has errnos, once. */
const firsts = (whole: Ran<unknown, unknown>, known: Set<string>): ReadonlyArray<Seen> =>
  whole.seen.filter(({ call, pipeline, step, undoing }) => {
    const name = `${pipeline}/${step}/${call._tag}`
    if (undoing || step === "" || known.has(name)) return false
    known.add(name)
    return true
  })

/** Has a call fail: whether that was the end, and what is wrong with it. */
const tried = (scene: Scene, flow: Flow, seen: Seen, code: Errno) => {
  const ran = perform(flow.state, flow.act, { rule: nth(seen.number, code) })
  const error = Exit.isFailure(ran.exit) ? Cause.squash(ran.exit.cause) : undefined
  const wrong = [...afterFault(scene, flow, ran, code), ...error === undefined ? [] : misshapen(error, seen, code)]
  return { failed: error !== undefined, wrong: wrong.length === 0 ? [] : [wrong.join("\n"), String(error)] }
}

describe("each call of each step that fails as it can", () => {
  const known = new Set<string>()
  for (const [kind, setting] of Object.entries(kinds)) {
    it(`is told in full: ${kind}`, () => {
      const scene = sceneOf(setting)
      const counts = { calls: 0, faults: 0, failed: 0 }
      const problems: Array<string> = []
      for (const name of ["create", "exec", "kill", "remove"] as const) {
        const flow = flows[name](scene)
        if (flow === undefined) continue
        const whole = perform(flow.state, flow.act)
        assert.isTrue(isDone(whole), name)
        for (const seen of firsts(whole, known)) {
          const all = manPageErrnos[seen.call._tag] ?? []
          counts.calls++
          for (let index = 0; index < Math.min(each, all.length); index++) {
            counts.faults++
            const { failed, wrong } = tried(scene, flow, seen, all[(seed + counts.calls + index) % all.length]!)
            if (failed) counts.failed++
            problems.push(...wrong)
          }
        }
      }
      report(`${counts.faults} errnos of ${counts.calls} calls ${kind}, ${counts.failed} of which were its end`)
      assert.isAbove(counts.faults, 0)
      assert.strictEqual(problems.join("\n"), "")
    })
  }
})
