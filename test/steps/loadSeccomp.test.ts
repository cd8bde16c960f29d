import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Seccomp } from "../../src/config/Container.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { SECCOMP_FILTER_FLAG } from "../../src/native/constants.ts"
import { ExecFilter } from "../../src/steps/init/facts.ts"
import { Init } from "../../src/steps/init/Init.ts"
import { loadSeccompBeforeUser } from "../../src/steps/loadSeccompBeforeUser.ts"
import { prepareSeccomp } from "../../src/steps/prepareSeccomp.ts"
import { SeccompError } from "../../src/steps/seccomp/SeccompError.ts"
import { scripted } from "../support/scripted.ts"
import { init } from "../support/steps.ts"

const seccomp: Seccomp = {
  defaultAction: "SCMP_ACT_ALLOW",
  architectures: [],
  flags: ["SECCOMP_FILTER_FLAG_LOG"],
  syscalls: [{ names: ["mkdir"], action: "SCMP_ACT_ERRNO", args: [] }]
}

const both = Pipeline.make(
  { name: "both", doc: "the two steps", inputs: [Init] },
  loadSeccompBeforeUser,
  prepareSeccomp
)
const only = (step: typeof loadSeccompBeforeUser | typeof prepareSeccomp) =>
(
  noNewPrivileges: boolean,
  given: Seccomp | undefined,
  kernel = scripted(() => 0)
) => {
  const input = init({ process: { noNewPrivileges }, container: given === undefined ? {} : { seccomp: given } })
  const run = step.run as Effect.Effect<unknown, unknown, never>
  const exit = Effect.runSyncExit(
    run.pipe(Effect.provideService(Init, input), Effect.provide(kernel.layer)) as Effect.Effect<unknown, unknown>
  )
  return { exit, trace: kernel.trace() }
}

describe("the two steps that load a seccomp filter", () => {
  it("divide the work by noNewPrivileges", () => {
    assert.match(
      only(loadSeccompBeforeUser)(false, seccomp).trace.join(),
      /^seccomp\(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_LOG, <\d+ bytes>\)$/
    )
    assert.deepStrictEqual(only(prepareSeccomp)(false, seccomp).exit, Exit.succeed({ filter: undefined }))
    assert.lengthOf(only(loadSeccompBeforeUser)(true, seccomp).trace, 0)
    const late = only(prepareSeccomp)(true, seccomp).exit
    const { filter } = Exit.isSuccess(late) ? late.value as ExecFilter["Service"] : { filter: undefined }
    assert.strictEqual(filter?.flags, SECCOMP_FILTER_FLAG.LOG)
    assert.isAbove(filter?.program.length ?? 0, 0)
    assert.lengthOf(only(prepareSeccomp)(true, seccomp).trace, 0)
  })

  it("do nothing without a filter", () => {
    for (const noNewPrivileges of [true, false]) {
      assert.lengthOf(only(loadSeccompBeforeUser)(noNewPrivileges, undefined).trace, 0)
      assert.deepStrictEqual(only(prepareSeccomp)(noNewPrivileges, undefined).exit, Exit.succeed({ filter: undefined }))
    }
  })

  it.effect("say what is wrong, and what to do", () =>
    Effect.gen(function*() {
      const refused = yield* Effect.flip(
        Pipeline.run(both).pipe(
          Effect.provideService(Init, init({ container: { seccomp } })),
          Effect.provide(scripted(() => "EACCES").layer)
        )
      )
      assert.strictEqual(refused.step, "loadSeccompBeforeUser")
      assert.include(refused.advice ?? "", "noNewPrivileges")

      const wrong = { ...seccomp, defaultAction: "SCMP_ACT_NOTIFY" }
      const kernel = scripted()
      const invalid = yield* Effect.flip(
        Pipeline.run(both).pipe(
          Effect.provideService(Init, init({ container: { seccomp: wrong } })),
          Effect.provide(kernel.layer)
        )
      )
      assert.instanceOf(invalid.reason, SeccompError)
      assert.include(invalid.advice ?? "", "SCMP_ACT_ERRNO")
      assert.lengthOf(kernel.calls, 0)
    }))
})
