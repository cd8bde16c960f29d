/**
 * `runfx`: the main modules under one name each.
 *
 * Each public module can also be imported by its path (`runfx/engine/Pipeline`), which loads that module and what it needs, and
 * nothing else: the better choice if the time to start counts. `runfx/testing` has the model kernel.
 *
 * **Example** (A program in a container that may do less than the default one)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { defaultSpec, Linux, Runtime } from "runfx"
 *
 * const container = { ...defaultSpec({ rootfs: "/srv/root", args: ["/bin/echo", "hello"] }), networks: [] }
 * const program = Runtime.run({ id: "hello", container })
 * const { code } = await Effect.runPromise(Effect.provide(program, Linux.layer))
 * ```
 */

// -- containers -------------------------------------------------------------------------------------------------------
export type * as Container from "./config/Container.ts"
export { defaultSpec, rootlessSpec } from "./config/defaults.ts"
export * as Runtime from "./runtime/Runtime.ts"

// -- pipelines, and what they are made of -----------------------------------------------------------------------------
export * as Events from "./engine/Events.ts"
export * as Pipeline from "./engine/Pipeline.ts"
export { InvalidPipelineError, PipelineError, rootCause } from "./engine/PipelineError.ts"
export * as Step from "./engine/Step.ts"
export { create } from "./pipelines/create.ts"
export { exec } from "./pipelines/exec.ts"
export { finalize } from "./pipelines/finalize.ts"
export { kill } from "./pipelines/kill.ts"
export { list } from "./pipelines/list.ts"
export { ownerless } from "./pipelines/ownerless.ts"
export { remove } from "./pipelines/remove.ts"
export { removeBroken } from "./pipelines/removeBroken.ts"
export { setns } from "./pipelines/setns.ts"
export { signal } from "./pipelines/signal.ts"
export { standard } from "./pipelines/standard.ts"
export { userns } from "./pipelines/userns.ts"
export { usernsSetup } from "./pipelines/usernsSetup.ts"
export * as Facts from "./steps/init/facts.ts"
export { Init } from "./steps/init/Init.ts"
export { NetworkStrategies } from "./steps/network/NetworkStrategies.ts"
export type { Strategy } from "./steps/network/Strategy.ts"

// -- the kernel -------------------------------------------------------------------------------------------------------
export { Fork } from "./native/Fork.ts"
export { type Call, Kernel, render, sys, SyscallError } from "./native/Kernel.ts"
export * as Linux from "./native/linux/Linux.ts"
