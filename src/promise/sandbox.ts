/**
 * Sandboxes with promises: what `runfx/sandbox` has, for programs that know nothing of Effect.
 *
 * @category programs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type * as Words from "../sandbox/Description.ts"
import type { Request } from "../sandbox/network/access.ts"
import * as Running from "../sandbox/run.ts"
import * as Sandboxes from "../sandbox/Sandbox.ts"
import * as Spawning from "../sandbox/spawn.ts"
import * as Workspaces from "../sandbox/workspace.ts"
import type { Workspace } from "../sandbox/workspace/find.ts"
import {
  type Command,
  handed,
  type Options,
  type Process,
  promise,
  type Result,
  type TalkOptions,
  withoutEvents,
  withoutSignal,
  withStream,
  wordsOf
} from "./process.ts"
import { type Run, taggable } from "./taggable.ts"

/** Limits; a time is a number of milliseconds, or a text such as `"10 seconds"`. */
export interface Limits extends Omit<Words.Limits, "time"> {
  readonly time?: number | string
}

/** Hosts that programs may reach; see `network`. */
export interface Allow extends Pick<Words.Allow, "allow" | "onConnection"> {
  /** Is asked for a host that the list does not allow; no answer within two minutes means no. */
  readonly ask?: (request: Request) => boolean | PromiseLike<boolean>
  /** Finds the addresses of a name; by the servers in the host's /etc/resolv.conf if absent. */
  readonly resolve?: (name: string) => ReadonlyArray<string> | PromiseLike<ReadonlyArray<string>>
}

/** The description of a sandbox; each default is safe. */
export interface Description extends Omit<Words.Description, "env" | "limits" | "network"> {
  /**
   * `"none"`; `"loopback"`: only the sandbox itself; `{ allow: ["example.org"] }`: the sandbox itself and the named hosts;
   * `{ bridge: "br0" }`: what is on a bridge of the host, for root only; `"host"`: all that the host reaches. `"loopback"` if
   * absent.
   */
  readonly network?: Exclude<Words.Description["network"], Words.Allow> | Allow
  /** Variables of its environment, in addition to `PATH`, to `HOME` (see `home`), and to those that name the proxy. */
  readonly env?: Readonly<Record<string, string>>
  readonly limits?: Limits
}

/** A sandbox to run programs in. Nothing of it exists before it runs one. */
export interface Sandbox {
  readonly description: Description
  /** Runs a program to its end. */
  readonly run: Run<Options>
  /** Starts a program, to be talked to while it runs. */
  readonly spawn: (command: Command, options?: TalkOptions) => Promise<Process>
  /** A changed sandbox: lists are appended, variables and limits are added, and any other word replaces the old one. */
  readonly extend: (more: Description) => Sandbox
}

const spawnIn = (
  self: Sandboxes.Sandbox,
  command: Command,
  { signal, ...options }: TalkOptions = {}
): Promise<Process> => handed(Spawning.spawnWith(self, wordsOf(command), options), signal)

/** A sandbox of a description; a time that is a text is looked at with the rest. */
export const made = (description: Description = {}): Sandboxes.Sandbox =>
  Sandboxes.make(description as Words.Description)

const faceOf = (self: Sandboxes.Sandbox): Sandbox => ({
  description: self.description as Description,
  run: taggable((command, options?: Options) => runIn(self, command, options)),
  spawn: (command, options) => spawnIn(self, command, options),
  extend: (more) => faceOf(Sandboxes.extend(self, more as Words.Description))
})

const runIn = (self: Sandboxes.Sandbox, command: Command, options: Options = {}): Promise<Result> =>
  promise(
    Effect.map(Running.run(self, wordsOf(command), withStream(withoutSignal(options))), withoutEvents),
    options.signal
  )

/**
 * A sandbox of a description. What is left out is safe: the host's programs read-only, a /tmp of its own, no network, no
 * other process, no capability, a filter of system calls, a user namespace of its own.
 *
 * **Example**
 *
 * ```ts
 * const job = sandbox({ writable: ["/srv/job"], cwd: "/srv/job", limits: { memory: "256 MiB", time: "10 seconds" } })
 * const { exitCode, stdout, timedOut } = await job.run(["npm", "test"])
 * ```
 */
export const sandbox = (description: Description = {}): Sandbox => faceOf(made(description))

/** What is kept from a program in a workspace, and the rest of the description. */
export interface WorkspaceOptions
  extends Pick<Workspace, "readOnly" | "hidden">, Omit<Description, "workspace" | "hidden" | "readOnly">
{}

/**
 * A sandbox that can write a directory, its workspace, and nothing else of the host. `readOnly` and `hidden` are covered
 * wherever they appear in it: `.git/`, and `.env` and `.ssh/`, if nothing is said. What does not exist can't be
 * made at the top of the workspace. If root starts it, its program has the rights of the workspace's owner. Of output beyond the
 * limit, the end is kept.
 *
 * **Example** (An agent's shell)
 *
 * ```ts
 * const shell = workspace("/srv/project", { network: { allow: ["registry.npmjs.org"] }, limits: { memory: "2 GiB" } })
 * const { stdout } = await shell.run("npm test")
 * ```
 */
export const workspace = (directory: string, options: WorkspaceOptions = {}): Sandbox =>
  faceOf(made(Workspaces.workspaceDescription(directory, options as Workspaces.WorkspaceOptions) as Description))

const ofRun = ["signal", "terminal", "stateRoot", "descriptors", "input", "overflow"] as const

/** Options of a run and words of a description that are given together. */
const apart = (both: Options & Description): readonly [Description, Options] => {
  const description: Record<string, unknown> = { ...both }
  const options: Record<string, unknown> = {}
  for (const key of ofRun) {
    if (both[key] !== undefined) options[key] = both[key]
    delete description[key]
  }
  return [description, options]
}

/**
 * Runs a program in a new sandbox to its end. A command line is for the shell in the sandbox; as a tagged template, each
 * value is quoted. A program that fails is no error: look at `exitCode`, `signal`, `timedOut` and `outOfMemory`.
 *
 * Rejects with an `InvalidSandboxError`, a `SandboxUnavailableError` or a `SandboxError`; if it was aborted, with the signal's
 * reason.
 *
 * **Example** (With input and a limit)
 *
 * ```ts
 * const { stdout } = await run(["wc", "-w"], { input: "four words in it", limits: { time: "1 second" } })
 * const listed = await run`ls -l ${name}`
 * ```
 */
export const run: Run<Options & Description> = taggable((command, both: Options & Description = {}) => {
  const [description, options] = apart(both)
  return runIn(made(description), command, options)
})

/**
 * Starts a program in a new sandbox, to be talked to while it runs.
 *
 * **Example** (A shell)
 *
 * ```ts
 * await using sh = await spawn(["sh"])
 * sh.stdin.end("echo hello\n")
 * for await (const chunk of sh.stdout) console.log(String(chunk))
 * const { exitCode } = await sh.exit
 * ```
 */
export const spawn = (command: Command, options: TalkOptions & Description = {}): Promise<Process> => {
  const [description, rest] = apart(options)
  return spawnIn(made(description), command, rest)
}
