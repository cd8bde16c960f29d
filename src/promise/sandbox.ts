/** Sandboxes with promises: what `runfx/sandbox` has, for programs that know nothing of Effect. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exits from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Readable, Writable } from "node:stream"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import { layer } from "../sandbox.ts"
import type * as Words from "../sandbox/Description.ts"
import type { Descriptors } from "../sandbox/descriptors.ts"
import type { Request } from "../sandbox/network/access.ts"
import type * as Results from "../sandbox/Result.ts"
import * as Running from "../sandbox/run.ts"
import * as Sandboxes from "../sandbox/Sandbox.ts"
import * as Errors from "../sandbox/SandboxError.ts"
import * as Spawning from "../sandbox/spawn.ts"
import * as Workspaces from "../sandbox/workspace.ts"
import type { Workspace } from "../sandbox/workspace/find.ts"
import { InvalidSandboxError, SandboxError, SandboxUnavailableError } from "./errors.ts"
import { shell, type Value } from "./shell.ts"

/** Limits; a time is a number of milliseconds, or a text as `"10 seconds"`. */
export interface Limits extends Omit<Words.Limits, "time"> {
  readonly time?: number | string
}

/** Hosts that programs may reach; see `network`. */
export interface Allow extends Pick<Words.Allow, "allow" | "onConnection"> {
  /** Asked for what the list does not allow; no answer within two minutes is a no. */
  readonly ask?: (request: Request) => boolean | PromiseLike<boolean>
  /** Finds the addresses of a name; by the servers in the host's /etc/resolv.conf if absent. */
  readonly resolve?: (name: string) => ReadonlyArray<string> | PromiseLike<ReadonlyArray<string>>
}

/** A sandbox as it is described; what is left out is safe. */
export interface Description extends Omit<Words.Description, "env" | "limits" | "network"> {
  /**
   * `"none"`; `"loopback"`, only itself; `{ allow: ["example.org"] }`, beside itself only hosts that are named; `"host"`, all
   * that the host has. `"loopback"` if absent.
   */
  readonly network?: Exclude<Words.Description["network"], Words.Allow> | Allow
  /** Variables of its environment, beside `PATH`, and `HOME`, which is /tmp. */
  readonly env?: Readonly<Record<string, string>>
  readonly limits?: Limits
}

/** A program and its arguments, or a command line for the shell in the sandbox (`/bin/sh`). */
export type Command = string | ReadonlyArray<string>

/** What a start takes besides the description. */
export interface SpawnOptions {
  /** Ends the program when it is aborted; nothing of the sandbox is left when the promise is rejected. */
  readonly signal?: AbortSignal
  /**
   * Descriptors of this process that the program gets, by the number that it has them under (3 to 255): a number, or what has
   * one, as a `FileHandle`. Nothing else that is open here is in a sandbox.
   */
  readonly descriptors?: Descriptors
  /** Directory of the states of all containers; as the command has it if absent. */
  readonly stateRoot?: string
}

/** What a start takes of a program that is talked to. */
export interface TalkOptions extends SpawnOptions {
  /**
   * Whether the program has a terminal, and of which size, 24 rows of 80 columns if nothing is said. `stdout` has all that it
   * writes then, and `stderr` nothing.
   */
  readonly terminal?: boolean | { readonly rows: number; readonly columns: number }
}

/** What a program gets, and what becomes of what it writes. */
export interface Options extends SpawnOptions {
  /** What it reads from standard input; nothing if absent. */
  readonly input?: string | Uint8Array
  /**
   * What happens if it writes more than `limits.output`: `"end"` ends it; `"first"` keeps what came first, `"last"` what came
   * last, and the program continues. `"end"` if absent.
   */
  readonly overflow?: "end" | "first" | "last"
}

/** What a further program of a sandbox gets. */
export interface ExecOptions extends Pick<Options, "input" | "overflow" | "signal" | "descriptors"> {
  /** Variables of its environment, besides those of the sandbox. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** How a program has ended. */
export type Exit = Omit<Results.Exit, "events">

/** How a program has ended, and what it has written. */
export type Result = Omit<Running.Result, "events">

/** A program in a sandbox that is talked to while it runs. */
export interface Process extends AsyncDisposable {
  /** The id of the sandbox, as `runfx list` shows it. */
  readonly id: string
  readonly pid: number
  readonly stdin: Writable
  /** What it writes, as a stream of Node's, which is an async iterable as well. While nobody reads, the program waits. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** How it has ended, when all of the sandbox is removed. */
  readonly exit: Promise<Exit>
  /** Sends it a signal, SIGTERM if none is named. If it has ended, nothing happens. */
  readonly kill: (signal?: string | number) => Promise<void>
  /** Runs a further program in the same sandbox to its end. */
  readonly exec: (command: Command, options?: ExecOptions) => Promise<Result>
  /** Sets the size of its terminal; rejects if it has none. */
  readonly resize: (size: { readonly rows: number; readonly columns: number }) => Promise<void>
  /** Stops all of its processes where they are; takes a cgroup. */
  readonly pause: () => Promise<void>
  /** Lets them continue. */
  readonly resume: () => Promise<void>
  /** What it uses now; takes a cgroup. */
  readonly stats: () => Promise<Spawning.Stats>
  /** Ends it, if it has not ended yet; done when nothing of it is left. */
  readonly close: () => Promise<void>
}

/** A sandbox to run programs in. Nothing of it exists before it runs one. */
export interface Sandbox {
  readonly description: Description
  /** Runs a program to its end. */
  readonly run: {
    (command: Command, options?: Options): Promise<Result>
    /** Runs a command line, in which each value is quoted for the shell. */
    (texts: TemplateStringsArray, ...values: ReadonlyArray<Value>): Promise<Result>
  }
  /** Starts a program, to be talked to while it runs. */
  readonly spawn: (command: Command, options?: TalkOptions) => Promise<Process>
  /** A sandbox with something changed: lists get longer, variables and limits are added, else the new word counts. */
  readonly extend: (more: Description) => Sandbox
}

/** A command as a program and its arguments. */
export const wordsOf = (command: Command): ReadonlyArray<string> =>
  typeof command === "string" ? ["/bin/sh", "-c", command] : command

/** An error of this module's own. */
export const errorOf = (error: unknown): unknown => {
  if (error instanceof Errors.InvalidSandbox) {
    return new InvalidSandboxError(error.message, error.problems, error.advice)
  }
  if (error instanceof Errors.SandboxUnavailable) {
    return new SandboxUnavailableError(error.message, error.what, error.advice, error.cause)
  }
  if (error instanceof Errors.SandboxFailed) {
    const { advice, cause, code, message, step } = error
    return new SandboxError(message, { code, step, advice, cause })
  }
  return error
}

const reasonOf = (cause: Cause.Cause<unknown>, signal: AbortSignal | undefined): unknown => {
  if (!Cause.hasInterruptsOnly(cause)) return errorOf(Cause.squash(cause))
  return signal?.aborted === true
    ? signal.reason
    : new SandboxError("the sandbox was ended from outside of the program that has asked for it", {
      code: "INTERRUPTED"
    })
}

/** Runs an effect to its end, and rejects with an error of this module. */
export const promise = async <A>(
  effect: Effect.Effect<A, unknown, Kernel | Fork>,
  signal?: AbortSignal
): Promise<A> => {
  signal?.throwIfAborted()
  const exit = await Effect.runPromiseExit(
    Effect.provide(effect, layer),
    signal === undefined ? {} : { signal }
  )
  if (Exits.isSuccess(exit)) return exit.value
  throw reasonOf(exit.cause, signal)
}

/** An end as this module tells it. */
export const withoutEvents = <A extends { readonly events: unknown }>(
  { events: _events, ...rest }: A
): Omit<A, "events"> => rest

/** Options as the other module takes them. */
export const withoutSignal = <A extends { readonly signal?: unknown }>(
  { signal: _signal, ...rest }: A
): Omit<A, "signal"> => rest

const closed = (stream: Readable): Promise<void> =>
  new Promise((resolve) => void (stream.closed ? resolve() : stream.once("close", resolve)))

/** Starts a program, as an effect that is done when it runs, and hands it over. */
export const handed = async (
  start: Effect.Effect<Spawning.Spawned, unknown, Kernel | Fork | Scope.Scope>,
  signal: AbortSignal | undefined
): Promise<Process> => {
  const scope = Scope.makeUnsafe()
  const end = (): Promise<void> => Effect.runPromise(Scope.close(scope, Exits.void))
  const started = start.pipe(
    Effect.onError(() => Scope.close(scope, Exits.void)),
    Effect.provideService(Scope.Scope, scope)
  )
  const { process, streams } = await promise(started, signal)
  const fiber = Effect.runFork(process.exit)
  const exit = promise(Effect.map(Fiber.join(fiber), withoutEvents), undefined).catch((error: unknown) => {
    throw signal?.aborted === true ? signal.reason : error
  })
  // a caller that does not look at it hears of nothing
  exit.catch(() => {})
  const abort = () => void end()
  signal?.addEventListener("abort", abort, { once: true })
  fiber.addObserver(() => {
    signal?.removeEventListener("abort", abort)
    // what was written can be read until somebody has read it, or has closed it
    void Promise.all([closed(streams.stdout), closed(streams.stderr)]).then(end)
  })
  return {
    id: process.id,
    pid: process.pid,
    ...streams,
    exit,
    kill: (name = "SIGTERM") => promise(process.signal(name)),
    exec: (command, options = {}) =>
      promise(Effect.map(process.exec(wordsOf(command), withoutSignal(options)), withoutEvents), options.signal),
    resize: (size) => promise(process.resize(size)),
    pause: () => promise(process.pause),
    resume: () => promise(process.resume),
    stats: () => promise(process.stats),
    close: end,
    [Symbol.asyncDispose]: end
  }
}

const spawnIn = (
  self: Sandboxes.Sandbox,
  command: Command,
  { signal, ...options }: TalkOptions = {}
): Promise<Process> => handed(Spawning.spawnWith(self, wordsOf(command), options), signal)

/** A sandbox of a description; a time that is a text is looked at with the rest. */
export const made = (description: Description = {}): Sandboxes.Sandbox =>
  Sandboxes.make(description as Words.Description)

/** Whether a function is called as a tag. */
export const isTemplate = (value: unknown): value is TemplateStringsArray =>
  Array.isArray(value) && Object.hasOwn(value, "raw")

const faceOf = (self: Sandboxes.Sandbox): Sandbox => ({
  description: self.description as Description,
  run: (command: Command | TemplateStringsArray, ...rest: ReadonlyArray<unknown>) => {
    if (isTemplate(command)) return runIn(self, shell(command, ...rest as ReadonlyArray<Value>))
    return runIn(self, command, rest[0] as Options | undefined)
  },
  spawn: (command, options) => spawnIn(self, command, options),
  extend: (more) => faceOf(Sandboxes.extend(self, more as Words.Description))
})

const runIn = (self: Sandboxes.Sandbox, command: Command, options: Options = {}): Promise<Result> =>
  promise(Effect.map(Running.run(self, wordsOf(command), withoutSignal(options)), withoutEvents), options.signal)

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
 * made, at the top of the workspace. The program's user is the owner of the workspace, output beyond the limit is the last.
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
const apart = (both: Options & TalkOptions & Description): readonly [Description, Options] => {
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
 * Rejects with an {@link InvalidSandboxError}, a {@link SandboxUnavailableError} or a {@link SandboxError}; after an abort,
 * with the signal's reason.
 *
 * **Example** (With input and a limit)
 *
 * ```ts
 * const { stdout } = await run(["wc", "-w"], { input: "four words in it", limits: { time: "1 second" } })
 * const listed = await run`ls -l ${name}`
 * ```
 */
export const run = ((command: Command | TemplateStringsArray, ...rest: ReadonlyArray<unknown>): Promise<Result> => {
  if (isTemplate(command)) return runIn(made(), shell(command, ...rest as ReadonlyArray<Value>))
  const [description, options] = apart(rest[0] as (Options & Description) | undefined ?? {})
  return runIn(made(description), command, options)
}) as {
  (command: Command, options?: Options & Description): Promise<Result>
  (texts: TemplateStringsArray, ...values: ReadonlyArray<Value>): Promise<Result>
}

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
