/**
 * `runfx/promise`: sandboxes with promises, Node's streams and AbortSignal.
 *
 * **Example** (A command that nobody trusts)
 *
 * ```ts
 * import { run, sandbox } from "runfx/promise"
 *
 * const { exitCode, stdout } = await run("ls -l", { limits: { time: "5 seconds" } })
 *
 * const job = sandbox({ writable: ["/srv/job"], cwd: "/srv/job" })
 * const name = "a file; rm -rf /"
 * await job.run`touch ${name}`
 * ```
 *
 * `docs/guide/programs.md` has recipes by task, `docs/sandbox.md` all words of a description. The steps of a start can't be edited
 * here, since a promise can't be interrupted: `docs/guide/flows.md` shows how a program with promises does that.
 */
export * from "./promise/errors.ts"
export { type Pool, pool, type PoolEvent, type PoolOptions, type PoolRunOptions } from "./promise/pool.ts"
export type {
  Command,
  ExecOptions,
  Exit,
  FurtherOptions,
  Options,
  Process,
  Result,
  SpawnOptions,
  Talk,
  TalkOptions
} from "./promise/process.ts"
export {
  type Allow,
  type Description,
  type Limits,
  run,
  type Sandbox,
  sandbox,
  spawn,
  workspace,
  type WorkspaceOptions
} from "./promise/sandbox.ts"
export { quote, shell } from "./promise/shell.ts"
export { bind, ifPossible, layers, tmpfs } from "./sandbox/Description.ts"
export type { Bind, IfPossible, Layers, MountOf as Mount, Tmpfs, Veth } from "./sandbox/Description.ts"
export type { Descriptors } from "./sandbox/descriptors.ts"
export type { Request } from "./sandbox/network/access.ts"
export type { Connection, Protocol } from "./sandbox/network/Connection.ts"
export type { Durations, Usage } from "./sandbox/Result.ts"
export type { Workspace } from "./sandbox/workspace/find.ts"
