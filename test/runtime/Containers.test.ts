import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { ModelKernel } from "../../src/testing/Testing.ts"

describe("services", () => {
  it.effect("Containers is the functions, on any kernel", () =>
    Effect.gen(function*() {
      const { list } = yield* Runtime.Containers
      assert.deepStrictEqual(yield* list("/run/runfx"), [])
    }).pipe(Effect.provide(Layer.provide(Runtime.Containers.layer, ModelKernel.make({}).layer))))

  it.effect("Containers can be swapped", () =>
    Effect.gen(function*() {
      const { kill } = yield* Runtime.Containers
      assert.strictEqual(yield* kill("web", 15), undefined)
    }).pipe(Effect.provide(Layer.mock(Runtime.Containers)({ kill: () => Effect.void }))))

  it.effect("Sandboxes can be swapped, and run nothing then", () =>
    Effect.gen(function*() {
      const sandboxes = yield* Sandbox.Sandboxes
      const error = yield* Effect.flip(sandboxes.run(Sandbox.make(), ["true"]))
      assert.strictEqual(error._tag, "InvalidSandbox")
    }).pipe(Effect.provide(
      Layer.mock(Sandbox.Sandboxes)({ run: () => Effect.fail(new Sandbox.InvalidSandbox({ problems: [] })) })
    )))
})
