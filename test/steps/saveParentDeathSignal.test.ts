import { assert, describe, it } from "@effect/vitest"
import { ParentDeathSignal } from "../../src/steps/init/facts.ts"
import { restoreParentDeathSignal } from "../../src/steps/restoreParentDeathSignal.ts"
import { saveParentDeathSignal } from "../../src/steps/saveParentDeathSignal.ts"
import { and, succeed, withInit } from "../support/steps.ts"

describe("saveParentDeathSignal", () => {
  it("sets the configured signal", () => {
    assert.deepStrictEqual(succeed(saveParentDeathSignal, withInit({ container: { parentDeathSignal: 9 } })), {
      trace: ["prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)"],
      value: { signal: 9 }
    })
  })

  it("remembers the one that is set otherwise", () => {
    assert.deepStrictEqual(succeed(saveParentDeathSignal, withInit(), () => 15), {
      trace: ["prctl(PR_GET_PDEATHSIG, 0, 0, 0, 0)"],
      value: { signal: 15 }
    })
  })
})

describe("restoreParentDeathSignal", () => {
  const traceOf = (signal: number, current: number) =>
    succeed(restoreParentDeathSignal, and(withInit(), ParentDeathSignal, { signal }), () => current).trace

  const get = "prctl(PR_GET_PDEATHSIG, 0, 0, 0, 0)"

  it("sets the signal again where it was cleared", () => {
    assert.deepStrictEqual(traceOf(9, 0), [get, "prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0)"])
  })

  it("does nothing where it still holds, or where there is none", () => {
    assert.deepStrictEqual(traceOf(9, 9), [get])
    assert.deepStrictEqual(traceOf(0, 0), [])
  })
})
