/**
 * `runfx/sandbox`: run a program that nobody trusts, in one line, and see what it did.
 *
 * **Example** (An untrusted script, with limits)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Sandbox from "runfx/sandbox"
 *
 * const judge = Sandbox.make({ limits: { memory: "64 MiB", processes: 32, time: "5 seconds" } })
 * const program = Sandbox.run(judge, ["sh", "-s"], { input: "echo hello" })
 * const { exitCode, stdout, usage } = await Effect.runPromise(Effect.provide(program, Sandbox.layer))
 * ```
 *
 * `docs/guide/programs.md` has recipes by task, `docs/sandbox.md` all words of a description; `runfx/promise` has the same
 * without Effect.
 */
export type { Size, Time } from "./config/shape/quantity.ts"
export { HostUnsupported, layer } from "./native/linux/Linux.ts"
export type { KillOptions, Signal } from "./runtime/signalling.ts"
export * from "./sandbox/Description.ts"
export type { Descriptors } from "./sandbox/descriptors.ts"
export type { ExecOptions, FurtherOptions } from "./sandbox/further.ts"
export type { Answer, Request } from "./sandbox/network/access.ts"
export type { Connection, Protocol } from "./sandbox/network/Connection.ts"
export * as Pool from "./sandbox/Pool.ts"
export { probe } from "./sandbox/probe.ts"
export type { Finding } from "./sandbox/probe/Finding.ts"
export type { Durations, Exit, Usage } from "./sandbox/Result.ts"
export { type Options, type Result, run } from "./sandbox/run.ts"
export { extend, make, problems, type Sandbox, withFlow } from "./sandbox/Sandbox.ts"
export * from "./sandbox/SandboxError.ts"
export { Sandboxes } from "./sandbox/Sandboxes.ts"
export { type Process, spawn, type SpawnOptions, type Stats } from "./sandbox/spawn.ts"
export { spawnerLayer } from "./sandbox/spawner.ts"
export type { Talk } from "./sandbox/talk.ts"
export { workspace, type WorkspaceOptions } from "./sandbox/workspace.ts"
export type { Workspace } from "./sandbox/workspace/find.ts"
