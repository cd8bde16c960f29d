import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { RLIMIT } from "../../src/native/constants.ts"
import { applyRlimits } from "../../src/steps/init/rlimits.ts"
import { setupRlimits } from "../../src/steps/setupRlimits.ts"
import { scripted } from "../support/scripted.ts"
import { fail, succeed, withInit } from "../support/steps.ts"

const infinity = 2n ** 64n - 1n
const rlimits = [
  { resource: RLIMIT.STACK, soft: 100n, hard: 200n },
  { resource: RLIMIT.CORE, soft: 0n, hard: infinity }
]

describe("setupRlimits", () => {
  it("sets the limits in order", () => {
    assert.deepStrictEqual(succeed(setupRlimits, withInit({ process: { rlimits } })).trace, [
      "prlimit64(0, RLIMIT_STACK, {soft=100, hard=200})",
      "prlimit64(0, RLIMIT_CORE, {soft=0, hard=RLIM_INFINITY})"
    ])
    assert.deepStrictEqual(succeed(setupRlimits, withInit()).trace, [])
  })

  it("raises the limit of descriptors, and leaves it to restoreProcess to lower it", () => {
    const nofile = (hard: bigint) => withInit({ process: { rlimits: [{ resource: RLIMIT.NOFILE, soft: 5n, hard }] } })
    const current = () => ({ soft: 50n, hard: 100n })
    assert.deepStrictEqual(succeed(setupRlimits, nofile(100n), current).trace, ["prlimit64(0, RLIMIT_NOFILE, NULL)"])
    assert.deepStrictEqual(succeed(setupRlimits, nofile(101n), current).trace, [
      "prlimit64(0, RLIMIT_NOFILE, NULL)",
      "prlimit64(0, RLIMIT_NOFILE, {soft=50, hard=101})"
    ])
  })

  it("asks for the limit of descriptors only if it may have to be raised", () => {
    const nofile = (hard: bigint) =>
      withInit({ hardNofile: 100n, process: { rlimits: [{ resource: RLIMIT.NOFILE, soft: 5n, hard }] } })
    assert.deepStrictEqual(succeed(setupRlimits, nofile(100n)).trace, [])
    assert.deepStrictEqual(succeed(setupRlimits, nofile(101n), () => ({ soft: 50n, hard: 100n })).trace, [
      "prlimit64(0, RLIMIT_NOFILE, NULL)",
      "prlimit64(0, RLIMIT_NOFILE, {soft=50, hard=101})"
    ])
  })

  it("leaves it to exec to lower the limit of the size of files, since exec writes one", () => {
    const fsize = [{ resource: RLIMIT.FSIZE, soft: 0n, hard: 0n }]
    const { trace } = succeed(setupRlimits, withInit({ process: { rlimits: fsize } }), () => ({ soft: 5n, hard: 5n }))
    assert.deepStrictEqual(trace, ["prlimit64(0, RLIMIT_FSIZE, NULL)"])
  })

  it("leaves it to exec to limit the processor time, which it takes some of", () => {
    const cpu = [{ resource: RLIMIT.CPU, soft: 0n, hard: 0n }]
    const { trace } = succeed(setupRlimits, withInit({ process: { rlimits: cpu } }), () => ({ soft: 5n, hard: 5n }))
    assert.deepStrictEqual(trace, ["prlimit64(0, RLIMIT_CPU, NULL)"])
  })

  it("names the limit that is refused", () => {
    const { advice, message, tag, trace } = fail(
      setupRlimits,
      withInit({ process: { rlimits } }),
      (call) => call._tag === "prlimit64" && call.resource === RLIMIT.CORE ? "EPERM" : undefined
    )
    assert.strictEqual(tag, "RlimitError")
    assert.strictEqual(
      message,
      "can't set RLIMIT_CORE to soft 0, hard unlimited: EPERM (Operation not permitted)"
    )
    assert.include(advice, "CAP_SYS_RESOURCE")
    assert.strictEqual(trace.length, 2)
  })
})

it("applyRlimits sets those of another process", () => {
  const { layer, trace } = scripted()
  Effect.runSync(Effect.provide(applyRlimits(77, rlimits.slice(0, 1)), layer))
  assert.deepStrictEqual(trace(), ["prlimit64(77, RLIMIT_STACK, {soft=100, hard=200})"])
})
