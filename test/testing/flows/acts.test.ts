/**
 * Acts on containers that are there: each is a pipeline, so that its calls have a step, are declared, and can be made to
 * fail one by one.
 */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { SIG } from "../../../src/native/constants.ts"
import type { Kernel } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import type { State } from "../../../src/testing/Testing.ts"
import { damaged } from "../../support/damaged.ts"
import { stateRoot } from "../../support/flows/containers.ts"
import { stepsOf, tells, undeclared } from "../../support/flows/failures.ts"
import { perform, type Ran, verdict } from "../../support/flows/runs.ts"
import { id } from "../../support/flows/scenes.ts"
import { running } from "../../support/runningContainer.ts"
import { withoutTraces } from "../../support/shortTraces.ts"

withoutTraces()
vi.setConfig({ testTimeout: 120_000 })

type Act = Effect.Effect<unknown, unknown, Kernel>

interface Case {
  readonly name: string
  readonly pipelines: ReadonlyArray<string>
  readonly act: Act
  readonly state?: (state: State.State) => State.State
}

const cases: ReadonlyArray<Case> = [
  { name: "a signal", pipelines: ["signal"], act: Runtime.kill(id, SIG.TERM, { stateRoot }) },
  { name: "a signal for all", pipelines: ["signal"], act: Runtime.kill(id, SIG.TERM, { stateRoot, all: true }) },
  { name: "SIGCONT", pipelines: ["signal"], act: Runtime.kill(id, SIG.CONT, { stateRoot }) },
  { name: "a list", pipelines: ["list"], act: Runtime.list(stateRoot) },
  { name: "a prune", pipelines: ["ownerless"], act: Runtime.prune({ stateRoot }) },
  {
    name: "a forced removal of a damaged container",
    pipelines: ["removeBroken"],
    act: Runtime.remove(id, { stateRoot, force: true }),
    state: (state) => damaged(state, "text")
  },
  {
    name: "a prune of a start that was cut short",
    pipelines: ["ownerless", "removeBroken"],
    act: Runtime.prune({ stateRoot }),
    state: (state) => damaged(state, "nothing")
  }
]

const pipelinesOf = ({ seen }: Ran<unknown, unknown>) => [
  ...new Set(seen.map(({ pipeline }) => pipeline).filter((name) => name !== ""))
]

describe.each(cases)("$name", ({ act, pipelines, state = (before) => before }) => {
  const before = state(running("v2").state)

  it("is a pipeline, whose steps declare the calls that they make", () => {
    const ran = perform(before, act)
    assert.isTrue(Exit.isSuccess(ran.exit), String(ran.exit))
    assert.deepStrictEqual(pipelinesOf(ran), pipelines)
    verdict(undeclared(ran.seen), ran)
  })

  it("fails by a typed error that names the step and the errno, whichever call of a step fails", () => {
    const whole = perform(before, act)
    const numbers = whole.seen.filter(({ step }) => step !== "").map(({ number }) => number)
    // a long wait makes the same calls again and again
    const every = Math.max(1, Math.floor(numbers.length / 60))
    let failed = 0
    for (const number of numbers.filter((_, index) => index % every === 0)) {
      const ran = perform(before, act, { rule: (seen) => seen.number === number ? "EIO" : undefined })
      // what is listed, or judged, one by one is reported one by one
      if (Exit.isSuccess(ran.exit)) continue
      failed++
      const failure = ran.exit.cause.reasons.find(Cause.isFailReason)
      if (failure === undefined) return verdict(["a defect"], ran)
      const { step } = ran.failed[0]!
      verdict([
        ...(tells(failure.error, "EIO") ? [] : ["the errno is not told"]),
        ...(stepsOf(failure.error).some((name) => name.endsWith(`/${step}`)) ? [] : [`${step} is not named`])
      ], ran)
    }
    assert.isAbove(failed, 0)
  })
})

describe("a signal for all", () => {
  it("reaches every process of the container, and no other", () => {
    const { state, tool } = running("v2")
    const ran = perform(state, Runtime.kill(id, SIG.TERM, { stateRoot, all: true }))
    const sent = ran.seen.filter(({ call, step }) => call._tag === "pidfd_send_signal" && step === "sendSignal")
    assert.strictEqual(sent.length, 2)
    assert.notStrictEqual(ran.model.state().processes.get(tool)?.status, "running")
  })
})
