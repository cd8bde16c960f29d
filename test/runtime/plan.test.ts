import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Plan from "../../src/engine/Plan.ts"
import * as PlanText from "../../src/engine/PlanText.ts"
import { planExec, planKill, planRun } from "../../src/runtime/plan.ts"

// needs no root: whatever this machine would refuse, the plan says, and the plan is the same kind of value
const container = defaultSpec({ rootfs: "/", args: ["/bin/sh"] })

describe("plan", () => {
  it.live("of run can be written, and read back as the same value", () =>
    Effect.gen(function*() {
      const plan = yield* planRun({ id: "plan-test", container })
      const again = yield* Plan.fromText(Plan.toText(plan))
      assert.deepStrictEqual(again, plan)
      assert.deepStrictEqual(Plan.compare(plan, again), [])
      assert.isAbove(plan.rows.length, 1)
      assert.strictEqual(plan.rows[0]?.step, "createState")
    }))

  it.live("of run tells what fails, with the step, or what would be undone", () =>
    Effect.gen(function*() {
      const plan = yield* planRun({ id: "plan-test", container })
      const text = PlanText.render(plan)
      if (plan.fails === undefined) {
        // the exec is the last thing that can fail, and then everything is undone, the last first
        const undone = plan.rollback.map(({ step }) => step)
        assert.strictEqual(undone.at(-1), "createState")
        assert.isBelow(undone.indexOf("cloneInit"), undone.indexOf("createCgroup"))
        assert.include(text, "If the last step failed, this would be undone:")
      } else {
        assert.isNotEmpty(plan.fails.step)
        assert.include(text, `This would fail: ${plan.fails.pipeline}: ${plan.fails.step}`)
      }
    }))

  it.live("of run refuses a flow whose order is wrong, by the name of the step, before anything is planned", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(planRun({
        id: "plan-test",
        container,
        flow: (preset) =>
          Effect.succeed(Pipeline.remove(preset as Pipeline.Pipeline<[], [never]>, "setupUser" as never))
      }))
      assert.include(String(error), "verifyWorkingDirectory")
      assert.include(String(error), "runfx/ExecUser")
    }))

  it.live("of exec and of kill are of a container that is started in the model", () =>
    Effect.gen(function*() {
      const start = yield* planRun({ id: "plan-test", container })
      if (start.fails !== undefined) return
      const process = { ...container.process, args: ["/bin/ls"] }
      const exec = yield* planExec(container, undefined, { id: "plan-test", process })
      assert.strictEqual(exec.fails, undefined)
      assert.include(exec.rows.map(({ step }) => step), "joinNamespaces")
      assert.notInclude(exec.rows.map(({ step }) => step), "createCgroup")
      const kill = yield* planKill("plan-test", container, undefined, 9)
      assert.strictEqual(kill.fails, undefined)
      assert.deepStrictEqual(
        [...new Set(kill.rows.map(({ step }) => step))],
        ["freeze", "listProcesses", "signalAll", "thaw", "reap"]
      )
    }))
})
