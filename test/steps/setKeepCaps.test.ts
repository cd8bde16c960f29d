import { assert, it } from "@effect/vitest"
import { BoundingSetDropped } from "../../src/steps/init/facts.ts"
import { setKeepCaps } from "../../src/steps/setKeepCaps.ts"
import { and, succeed, withInit } from "../support/steps.ts"

const capabilities = { bounding: [], effective: [], inheritable: [], permitted: [], ambient: [] }

it("setKeepCaps keeps capabilities where they are configured", () => {
  const run = (process: Parameters<typeof withInit>[0]) =>
    succeed(setKeepCaps, and(withInit(process), BoundingSetDropped, { lastCapability: 40 }))
  assert.deepStrictEqual(run({ process: { capabilities } }), {
    trace: ["prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)"],
    value: { kept: true }
  })
  assert.deepStrictEqual(run({}), { trace: [], value: { kept: false } })
})
