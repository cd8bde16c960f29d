/** A header can't lie: a call that it does not declare is a defect, and nothing else changes. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Headers, UndeclaredCall, withoutHeader } from "../../src/engine/Headers.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import { type CallName, Kernel, sys } from "../../src/native/Kernel.ts"
import { Check, ModelKernel } from "../../src/testing/Testing.ts"

const umask = sys.umask({ mask: 0o22 })
const chdir = sys.chdir({ path: "/" })

/** A pipeline of one step. */
const of = <A, E, R extends Kernel | Step.Rollback>(calls: ReadonlyArray<CallName>, run: Effect.Effect<A, E, R>) =>
  Pipeline.make(
    { name: "box", doc: "", inputs: [] },
    Step.make("liar", { doc: "", calls, reversal: "harmless", run: run as Effect.Effect<A, E, Kernel> })
  )

/** The calls that a pipeline makes, and how it ends. */
const made = (pipeline: ReturnType<typeof of>, headers: "checked" | "trusted") => {
  const calls: Array<CallName> = []
  const kernel: Kernel["Service"] = {
    invoke: ({ _tag }) => Effect.sync(() => void calls.push(_tag)) as never
  }
  const exit = Effect.runSyncExit(
    Pipeline.run(pipeline).pipe(Effect.provideService(Kernel, kernel), Effect.provideService(Headers, headers))
  )
  return { calls, error: Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined }
}

describe("a header", () => {
  it("refuses a call that it does not declare, before it is made", () => {
    const { calls, error } = made(of(["umask"], Effect.andThen(umask, chdir)), "checked")
    assert.deepStrictEqual(calls, ["umask"])
    assert.instanceOf(error, UndeclaredCall)
    assert.strictEqual(
      (error as UndeclaredCall).message,
      "box: liar: the step makes the call \"chdir\", which its header does not declare: add it to `calls`"
    )
  })

  it("is trusted if it is not to be checked", () => {
    assert.deepStrictEqual(made(of([], chdir), "trusted"), { calls: ["chdir"], error: undefined })
  })

  it("says nothing of what is somebody else's, nor of calls outside of steps", () => {
    assert.deepStrictEqual(made(of([], withoutHeader(chdir)), "checked"), { calls: ["chdir"], error: undefined })
    Check.succeeded(Check.run(chdir))
  })

  it("has the calls of compensations too, which are made all the same", () => {
    const registers = Effect.andThen(Step.onRollback(chdir), Effect.fail("no"))
    const { calls, error } = made(of([], registers), "checked")
    assert.deepStrictEqual(calls, ["chdir"])
    const rollback = (error as { readonly rollback: ReadonlyArray<{ readonly cause: Cause.Cause<unknown> }> }).rollback
    assert.instanceOf(Cause.squash(rollback[0]!.cause), UndeclaredCall)
  })

  it("is checked by Check, and counts for pipelines within a step by their own steps only", () => {
    assert.throws(() => Check.succeeded(Check.run(Pipeline.run(of([], chdir)))), /"chdir", which its header/)
    Check.succeeded(Check.run(Pipeline.run(of(["umask"], Effect.andThen(Pipeline.run(of(["chdir"], chdir)), umask)))))
  })

  it("is checked by default in development and in tests, and nowhere else", () => {
    const set = process.env["NODE_ENV"]
    const by = (environment: string | undefined) => {
      if (environment === undefined) delete process.env["NODE_ENV"]
      else process.env["NODE_ENV"] = environment
      return Headers.defaultValue()
    }
    try {
      assert.deepStrictEqual(["development", "test"].map(by), ["checked", "checked"])
      assert.deepStrictEqual(["production", "", undefined].map(by), ["trusted", "trusted", "trusted"])
    } finally {
      by(set)
    }
  })

  it("costs the kernel's own service nothing if it is trusted", () => {
    const model = ModelKernel.make()
    let seen: Kernel["Service"] | undefined
    const look = Effect.map(Kernel, (kernel) => void (seen = kernel))
    Effect.runSync(
      Pipeline.run(of([], look)).pipe(Effect.provideService(Headers, "trusted"), Effect.provide(model.layer))
    )
    assert.strictEqual(seen, Effect.runSync(Effect.provide(Kernel, model.layer)))
  })
})
