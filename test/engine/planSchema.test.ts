import { assert, describe, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Plan from "../../src/engine/Plan.ts"
import { planKill, planRun } from "../../src/runtime/plan.ts"

const shipped = JSON.parse(readFileSync(new URL("../../schema/plan.json", import.meta.url), "utf8")) as object
const accepts = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(shipped)
const container = defaultSpec({ rootfs: "/", args: ["/bin/sh"] })

describe("schema/plan.json", () => {
  it("is that of the code: node scripts/schema.mjs writes it", () => {
    assert.deepStrictEqual(shipped, JSON.parse(JSON.stringify(Plan.jsonSchema())))
  })

  it.live("accepts what --format json prints", () =>
    Effect.gen(function*() {
      const missing = { ...container, process: { ...container.process, args: ["/no/such/program"] } }
      const failing = yield* planRun({ id: "plan-schema", container: missing })
      assert.isDefined(failing.fails)
      const plans = [
        yield* planRun({ id: "plan-schema", container }),
        failing,
        // where this machine refuses a start, there is nothing to kill
        ...yield* Effect.orElseSucceed(
          Effect.map(planKill("plan-schema", container, undefined, 9), (plan) => [plan]),
          () => []
        )
      ]
      for (const plan of plans) {
        assert.isTrue(accepts(JSON.parse(Plan.toText(plan))), `${plan.title}: ${JSON.stringify(accepts.errors)}`)
      }
    }))

  it.live("refuses what is no plan", () =>
    Effect.gen(function*() {
      const plan = JSON.parse(Plan.toText(yield* planRun({ id: "plan-schema", container }))) as Plan.Plan
      const [row] = plan.rows
      for (
        const wrong of [
          { ...plan, version: 2 },
          { ...plan, more: 1 },
          { ...plan, rows: [{ ...row, reversal: "sometimes" }] },
          { ...plan, rows: [{ ...row, calls: [{ name: "reboot", args: {}, text: "", outcome: { _tag: "Ends" } }] }] }
        ]
      ) assert.isFalse(accepts(wrong))
    }))
})
