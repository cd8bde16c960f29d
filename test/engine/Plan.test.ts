import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Plan from "../../src/engine/Plan.ts"
import * as PlanText from "../../src/engine/PlanText.ts"
import * as Step from "../../src/engine/Step.ts"
import { CLONE, P, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as PlanDiff from "../../src/testing/PlanDiff.ts"
import { ModelKernel, type Options, Recorder } from "../../src/testing/Testing.ts"

const nameIt = Step.make("setHostname", {
  doc: "name the container",
  calls: ["sethostname"],
  reversal: "irreversible",
  advice: { EPERM: "run it as root" },
  run: sys.sethostname({ name: "box" })
})
const limitFiles = Step.make("limitFiles", {
  doc: "limit open files",
  calls: ["prlimit64"],
  reversal: "harmless",
  run: sys.prlimit64({ pid: 0, resource: 7, limit: { soft: 10n, hard: 20n } })
})
const exec = Step.make("exec", {
  doc: "become the program",
  calls: ["execve"],
  reversal: "terminal",
  run: sys.execve({ path: "/bin/true", argv: ["true"], envp: [] })
})
const init = Pipeline.make({ name: "init", doc: "", inputs: [] }, nameIt, limitFiles, exec)
const start = Step.make("start", {
  doc: "start the init",
  calls: ["clone", "waitid"],
  requires: [Fork],
  reversal: "harmless",
  run: Effect.gen(function*() {
    const fork = yield* Fork
    const pid = yield* fork.spawn(
      CLONE.NEWUTS,
      Effect.catchTag(Pipeline.run(init), "PipelineError", () => sys.exit_group({ status: 1 }))
    )
    return yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
  })
})
const parent = Pipeline.make({ name: "parent", doc: "", inputs: [Fork] }, start)

const planFor = (options: Options): Plan.Plan => {
  const recorder = Recorder.make()
  const layer = Layer.provide(recorder.layer, ModelKernel.make(options).layer)
  const exit = Effect.runSyncExit(Effect.provide(Pipeline.run(parent), layer))
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find((one) => one._tag === "Fail") : undefined
  return Plan.make({
    title: "run box",
    record: recorder.entries(),
    pipelines: [init, parent],
    ...reason === undefined ? {} : { error: reason.error }
  })
}

describe("Plan", () => {
  it("has a row for each step of each process, in the order of time", () => {
    const plan = planFor({})
    assert.deepStrictEqual(
      plan.rows.map(({ calls, side, step }) => [side, step, calls.map(({ name }) => name).join(" ")]),
      [
        ["parent", "start", "clone waitid"],
        ["init", "setHostname", "sethostname"],
        ["init", "limitFiles", "prlimit64"],
        ["init", "exec", "execve"]
      ]
    )
    assert.strictEqual(plan.rows[1]?.doc, "name the container")
    assert.deepStrictEqual(plan.rows[3]?.calls[0]?.outcome, { _tag: "Ends" })
  })

  it.effect("is the same after it was written and read", () =>
    Effect.gen(function*() {
      const plan = planFor({})
      const text = Plan.toText(plan)
      const read = yield* Plan.fromText(text)
      assert.deepStrictEqual(read, plan)
      assert.strictEqual(PlanDiff.between(plan, read), "")
      assert.deepStrictEqual(Plan.callOf(read.rows[2]!.calls[0]!), {
        _tag: "prlimit64",
        pid: 0,
        resource: 7,
        limit: { soft: 10n, hard: 20n }
      })
      const broken = yield* Effect.exit(Plan.fromText(text.replace("\"sethostname\"", "\"sethostnam\"")))
      assert.isTrue(Exit.isFailure(broken))
    }))

  it("tells what another machine would do otherwise", () => {
    const [root, user] = [planFor({}), planFor({ uid: 1000 })]
    const places = PlanDiff.diff(root, user).map(({ _tag, place }) => `${_tag} ${place.step}`)
    assert.deepStrictEqual(places, [
      "CallChanged start",
      "CallRemoved start",
      "StepRemoved setHostname",
      "StepRemoved limitFiles",
      "StepRemoved exec"
    ])
    assert.strictEqual(user.fails?.error, "clone(CLONE_NEWUTS) = -1 EPERM (Operation not permitted)")
  })

  it("prints the processes side by side", () => {
    const text = PlanText.render(planFor({}), { width: 90 })
    const lines = text.split("\n")
    assert.strictEqual(lines[0], "run box")
    assert.match(lines[2]!, /^parent +│ init$/)
    assert.include(text, "  sethostname(\"box\")")
    for (const line of lines) assert.isAtMost(line.length, 90, line)
    assert.include(
      PlanText.render(planFor({ uid: 1000 })),
      "This would fail: parent: start: clone(CLONE_NEWUTS) = -1 EPERM"
    )
  })
})
