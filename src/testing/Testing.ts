/**
 * `runfx/testing`: a model kernel, a recorder of calls, a fault injector, checks whose failures show the calls that led
 * there, and the difference of two plans. docs/testing.md explains how to use them.
 *
 * **Example** (A flow, checked)
 *
 * ```ts
 * import { Check } from "runfx/testing"
 *
 * const checked = Check.run(flow, { machine: { files: { "/etc/passwd": "…" } } })
 * Check.program(checked, { process: { creds: { uid: 1000 } } })
 * ```
 *
 * **Example** (The parts, for more than that: a step against the model, with every call on record)
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
export { UnmodelledError } from "../model/Machine.ts"
export * as ModelKernel from "../model/ModelKernel.ts"
export type { Ends, Script } from "../model/Program.ts"
export { fromHost, type Options, seed, type SeedFile } from "../model/Seed.ts"
export type * as State from "../model/State.ts"
export * as Check from "./Check.ts"
export * as Faults from "./Faults.ts"
export * as PlanDiff from "./PlanDiff.ts"
export * as Program from "./Program.ts"
export * as Recorder from "./Recorder.ts"
