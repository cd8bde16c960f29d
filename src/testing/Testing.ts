/**
 * `runfx/testing`: a model kernel, a recorder of calls, and a fault injector.
 *
 * **Example** (A step against the model, with every call on record)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import { Faults, ModelKernel, Recorder } from "runfx/testing"
 *
 * const model = ModelKernel.make({ files: { "/etc/passwd": "…" } })
 * const recorder = Recorder.make()
 * Effect.runSync(Effect.provide(program, Layer.provide(recorder.layer, model.layer)))
 * recorder.entries().map(({ call }) => call._tag)
 * ```
 */
export * as Faults from "./Faults.ts"
export { UnmodelledError } from "./Machine.ts"
export * as ModelKernel from "./ModelKernel.ts"
export * as Recorder from "./Recorder.ts"
export { fromHost, type Options, seed, type SeedFile } from "./Seed.ts"
export type * as State from "./State.ts"
