/**
 * The commands as functions: run, exec, kill, remove, list, prune; and `spawn`, a container as long as a scope is open. Each is
 * a pipeline of the parent with the inputs that it needs, so that a plan shows it and a test can make it fail. The rest, such as
 * the wait for a program, consists of kernel calls and of reads of the states.
 *
 * **Example** (A program in a container, and its exit code)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { defaultSpec } from "runfx/config/defaults"
 * import * as Linux from "runfx/native/Linux"
 * import * as Runtime from "runfx/runtime/Runtime"
 *
 * const program = Runtime.run({
 *   id: "hello",
 *   container: defaultSpec({ rootfs: "/srv/root", args: ["/bin/echo", "hello"] })
 * })
 * const { code } = await Effect.runPromise(Effect.provide(program, Linux.layer))
 * ```
 *
 * @category acts
 * @since 0.1.0
 */
export { type AnyContainerId, ContainerId } from "../steps/state/ContainerId.ts"
export { caller, stateRoot } from "./caller.ts"
export { Containers } from "./Containers.ts"
export { create, type CreateError } from "./create.ts"
export { Patience, StartsAtOnce, StateRoot } from "./defaults.ts"
export {
  exec,
  type ExecError,
  type ExecLaunch,
  type ExecLaunchError,
  execLaunchOf,
  setnsPreset,
  start,
  type StartError
} from "./exec.ts"
export { kill, type KillError, type SignalError } from "./kill.ts"
export { type LaunchError, launchOf, typeFor } from "./launch.ts"
export { list, type Listed, type ListError } from "./list.ts"
export { NotRunning } from "./NotRunning.ts"
export type { ExecOptions, InitType, ProcessHandles, RunOptions } from "./options.ts"
export type { ProcessHandle } from "./ProcessHandle.ts"
export type { Ended, RunningContainer, RunningProcess } from "./program.ts"
export { prune, type Pruned, type PruneError, type PruneOptions } from "./prune.ts"
export { remove, type RemoveError, type RemoveOptions } from "./removing.ts"
export { run, type RunError } from "./run.ts"
export type { KillOptions, Signal } from "./signalling.ts"
export { type ContainerHandle, type FurtherOptions, type SignalOptions, spawn } from "./spawn.ts"
