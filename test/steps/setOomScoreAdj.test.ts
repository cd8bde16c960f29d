import { assert, describe, it } from "@effect/vitest"
import { setOomScoreAdj } from "../../src/steps/setOomScoreAdj.ts"
import { procSelf } from "../support/procSelf.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

describe("setOomScoreAdj", () => {
  it("writes the score to the process's own file of a private procfs", () => {
    const { trace } = succeed(
      setOomScoreAdj,
      withInit({ process: { oomScoreAdj: 100 } }),
      procSelf({ oom_score_adj: "" })
    )
    assert.include(
      trace,
      "openat2(20, \"self/oom_score_adj\", O_WRONLY|O_CLOEXEC|O_NOCTTY, 00, " +
        "RESOLVE_BENEATH|RESOLVE_NO_MAGICLINKS|RESOLVE_NO_XDEV)"
    )
    assert.include(trace, "write(21, \"100\")")
  })

  it("does nothing where nothing is configured, and 0 is something", () => {
    assert.deepStrictEqual(succeed(setOomScoreAdj, withInit()).trace, [])
    const { trace } = succeed(
      setOomScoreAdj,
      withInit({ process: { oomScoreAdj: 0 } }),
      procSelf({ oom_score_adj: "" })
    )
    assert.include(trace, "write(21, \"0\")")
  })

  it("fails where it is refused, and has advice", () => {
    const proc = procSelf({ oom_score_adj: "" })
    const { code } = fail(
      setOomScoreAdj,
      withInit({ process: { oomScoreAdj: -5 } }),
      (call) => call._tag === "write" ? "EACCES" : proc(call)
    )
    assert.strictEqual(code, "EACCES")
    assert.include(setOomScoreAdj.advice.EACCES, "CAP_SYS_RESOURCE")
  })

  it("a 0 that can't be set is no failure: engines write it by habit", () => {
    const proc = procSelf({ oom_score_adj: "" })
    const scored = withInit({ process: { oomScoreAdj: 0 } })
    succeed(setOomScoreAdj, scored, (call) => call._tag === "write" ? "EACCES" : proc(call))
    assert.strictEqual(
      fail(setOomScoreAdj, scored, (call) => call._tag === "openat2" ? "EACCES" : proc(call)).code,
      "EACCES",
      "a file that can't be opened is something else"
    )
  })
})
