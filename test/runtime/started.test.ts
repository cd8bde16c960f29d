import { assert, describe, it } from "@effect/vitest"
import { nofileFor, startedNofile } from "../../src/runtime/started.ts"

describe("startedNofile", () => {
  it("is what the launcher of this very process has written down", () => {
    assert.strictEqual(startedNofile({ RUNFX_STARTED: "7 64" }, 7), 64n)
    // a child of one that was started so, a process without it, and what somebody else has put there
    for (const text of ["8 64", undefined, "", "7", "7 ", "7 unlimited", "7 64 1", "7 -1"]) {
      assert.isUndefined(startedNofile({ RUNFX_STARTED: text }, 7), String(text))
    }
  })
})

describe("nofileFor", () => {
  it("is the soft limit from before Node raised it, and else the usual one", () => {
    assert.deepStrictEqual(nofileFor({ soft: 4096n, hard: 4096n }, 64n), { soft: 64n, hard: 4096n })
    assert.deepStrictEqual(nofileFor({ soft: 4096n, hard: 4096n }), { soft: 1024n, hard: 4096n })
  })

  it("is never above the hard limit", () => {
    assert.deepStrictEqual(nofileFor({ soft: 512n, hard: 512n }), { soft: 512n, hard: 512n })
    assert.deepStrictEqual(nofileFor({ soft: 512n, hard: 512n }, 4096n), { soft: 512n, hard: 512n })
  })
})
