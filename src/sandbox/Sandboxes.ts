/**
 * Sandboxes as a service, over the functions of this module, so that an application can swap it in its tests.
 *
 * @category services
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import { surroundings } from "../runtime/defaults.ts"
import { type Options, type Result, run } from "./run.ts"
import type { Sandbox } from "./Sandbox.ts"
import type { SandboxError } from "./SandboxError.ts"
import { type Process, spawn, type SpawnOptions } from "./spawn.ts"

/**
 * Runs programs in sandboxes. `Sandboxes.layer` needs a kernel, such as `Sandbox.layer`.
 *
 * **Example** (An application, and a test of it that runs nothing)
 *
 * ```ts
 * const lint = Effect.gen(function*() {
 *   const sandboxes = yield* Sandboxes
 *   return (yield* sandboxes.run(make(), ["lint", "."])).exitCode === 0
 * })
 * Effect.provide(lint, Layer.provide(Sandboxes.layer, layer))
 * Effect.provide(lint, Layer.mock(Sandboxes)({ run: () => Effect.fail(new SandboxUnavailable({ ... })) }))
 * ```
 */
export class Sandboxes extends Context.Service<Sandboxes, {
  /** As the function `run`. */
  readonly run: (
    sandbox: Sandbox,
    command: ReadonlyArray<string>,
    options?: Options
  ) => Effect.Effect<Result, SandboxError>
  /** As the function `spawn`. */
  readonly spawn: (
    sandbox: Sandbox,
    command: ReadonlyArray<string>,
    options?: SpawnOptions
  ) => Effect.Effect<Process, SandboxError, Scope.Scope>
}>()("runfx/Sandboxes") {
  /** The live service. */
  static readonly layer: Layer.Layer<Sandboxes, never, Kernel | Fork> = /* @__PURE__ */ Layer.effect(
    Sandboxes,
    /* @__PURE__ */ Effect.gen(function*() {
      const within = yield* surroundings
      return {
        run: (sandbox, command, options) => within(run(sandbox, command, options)),
        spawn: (sandbox, command, options) => within(spawn(sandbox, command, options))
      }
    })
  )
}
