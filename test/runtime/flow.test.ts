/** Flows of the options of a start. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import { standard } from "../../src/pipelines/standard.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { Check } from "../../src/testing/Testing.ts"

const container = defaultSpec({ rootfs: "/mnt", args: ["/bin/a"] })
const machine = { files: { "/mnt": { directory: true }, "/bin/a": { mode: 0o755 } } } as const
const nothing = Step.make("nothing", { doc: "does nothing", calls: [], reversal: "harmless", run: Effect.void })

describe("a flow", () => {
  it("that does not begin with the preset loses no step that options have put into it without a word", () => {
    const other = Pipeline.insertAfter(standard, "findProgram", nothing)
    for (
      const [options, step] of [[{ scratch: true }, "scratchRoot"], [{ late: Effect.never }, "awaitProgram"]] as const
    ) {
      const checked = Check.run(Runtime.launchOf({ id: "a", container, flow: () => other, ...options }), { machine })
      const { message } = Check.failed(checked)
      assert.include(message, `the step "${step}" is not there`)
      assert.include(message, "edit the pipeline that the flow is given")
      const edited = Runtime.launchOf({
        id: "a",
        container,
        flow: Pipeline.insertAfter("findProgram", nothing),
        ...options
      })
      const { init } = Check.succeeded(Check.run(edited, { machine }))
      assert.includeMembers(init.steps.map(({ name }) => name), [step, "nothing"])
    }
    // nothing is lost if the options add nothing
    Check.succeeded(Check.run(Runtime.launchOf({ id: "a", container, flow: () => other }), { machine }))
  })
})

describe("the error of a start that has a flow", () => {
  it("is that of a pipeline, for the compiler too, if a step is expected", () => {
    const flow = Pipeline.insertAfter("findProgram", nothing)
    const checked = Check.run(Runtime.create({ id: "a", container, flow }), { machine })
    const { path, undone } = Check.failed(checked, { step: "findProgram" })
    assert.deepStrictEqual(path.map(({ step }) => step), ["releaseInit", "findProgram"])
    assert.include(undone, "cloneInit")
  })
})
