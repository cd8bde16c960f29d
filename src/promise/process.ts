/**
 * Programs of sandboxes with promises: what they get, how they end, and how to talk to them.
 *
 * @category programs
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exits from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type { Readable, Writable } from "node:stream"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import { HostUnsupported, layer } from "../sandbox.ts"
import type { Descriptors } from "../sandbox/descriptors.ts"
import type * as Results from "../sandbox/Result.ts"
import type * as Running from "../sandbox/run.ts"
import * as Errors from "../sandbox/SandboxError.ts"
import type * as Spawning from "../sandbox/spawn.ts"
import { InvalidSandboxError, SandboxError, SandboxUnavailableError } from "./errors.ts"

/**
 * A program and its arguments, or a command line for the shell in the sandbox (`/bin/sh`).
 *
 * @category models
 */
export type Command = string | ReadonlyArray<string>

/**
 * The options of a start in addition to the description.
 *
 * @category models
 */
export interface SpawnOptions {
  /** Ends the program when it is aborted; nothing of the sandbox is left when the promise is rejected. */
  readonly signal?: AbortSignal
  /**
   * Descriptors of this process that the program gets. The key is the number in the program (3 to 255), the value a descriptor
   * or an object that has one, such as a `FileHandle`. The program gets no other descriptor of this process.
   */
  readonly descriptors?: Descriptors
  /** Directory of the states of all containers; as the command has it if absent. */
  readonly stateRoot?: string
}

/**
 * The options of a start whose program you talk to.
 *
 * @category models
 */
export interface TalkOptions extends SpawnOptions {
  /**
   * Whether the program has a terminal, and its size; `true` means 24 rows of 80 columns. Then `stdout` has all that the program
   * writes, and `stderr` is empty.
   */
  readonly terminal?: boolean | { readonly rows: number; readonly columns: number }
}

/**
 * What a program gets, and what happens to its output.
 *
 * @category models
 */
export interface Options extends TalkOptions {
  /** What it reads from standard input. If absent: the null device, or in a pool an empty pipe, as for an empty input. */
  readonly input?: string | Uint8Array
  /**
   * What happens if it writes more than `limits.output`: `"end"` ends it; `"first"` keeps the beginning, `"last"` the end, and
   * the program continues. If absent: `"end"`, or `"last"` in a workspace.
   */
  readonly overflow?: "end" | "first" | "last"
}

/**
 * What a further program of a sandbox gets, if you talk to it.
 *
 * @category models
 */
export interface FurtherOptions extends Omit<TalkOptions, "stateRoot"> {
  /** Variables of its environment, in addition to those of the sandbox. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/**
 * What a further program of a sandbox gets, if it is run to its end.
 *
 * @category models
 */
export interface ExecOptions extends FurtherOptions, Pick<Options, "input" | "overflow"> {}

/**
 * How a program has ended, and what it has written.
 *
 * @category models
 */
export type Result = Omit<Running.Result, "events">

/**
 * How a program has ended.
 *
 * @category models
 */
export type Exit = Omit<Results.Exit, "events">

/**
 * A program that is talked to while it runs.
 *
 * @category models
 */
export interface Talk extends AsyncDisposable {
  readonly pid: number
  readonly stdin: Writable
  /** What it writes, as a stream of Node's, which is an async iterable as well. While nobody reads, the program waits. */
  readonly stdout: Readable
  readonly stderr: Readable
  /** How it has ended. For the first program of a sandbox, this settles when all of the sandbox is removed. */
  readonly exit: Promise<Exit>
  /** Sends it a signal, SIGTERM if none is named. If it has ended, nothing happens. */
  readonly kill: (signal?: string | number) => Promise<void>
  /** Sets the size of its terminal; rejects if it has none. */
  readonly resize: (size: { readonly rows: number; readonly columns: number }) => Promise<void>
  /** Ends it, if it has not ended yet; done when nothing of it is left. */
  readonly close: () => Promise<void>
}

/**
 * The first program of a sandbox. When it ends, the whole sandbox ends.
 *
 * @category models
 */
export interface Process extends Talk {
  /** The id of the sandbox, as `runfx list` shows it. */
  readonly id: string
  /** Runs a further program in the same sandbox to its end. */
  readonly exec: (command: Command, options?: ExecOptions) => Promise<Result>
  /** Starts a further program in the same sandbox, to be talked to. */
  readonly spawn: (command: Command, options?: FurtherOptions) => Promise<Talk>
  /**
   * Stops all of its processes, even those that `exec` is starting or waits for; `exec` then waits until `resume`. Pauses and
   * resumes are done in the order in which they were asked for. Needs a cgroup.
   */
  readonly pause: () => Promise<void>
  /** Lets them continue. */
  readonly resume: () => Promise<void>
  /** What it uses now; needs a cgroup. */
  readonly stats: () => Promise<Spawning.Stats>
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
  if (error instanceof HostUnsupported) {
    return new SandboxUnavailableError(error.message, ["host"], error.advice, error.cause)
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

/** Starts a program, and hands it over; it ends with what is returned. */
const talked = async <A extends Spawning.Further>(
  start: Effect.Effect<A, unknown, Kernel | Fork | Scope.Scope>,
  signal: AbortSignal | undefined
): Promise<A & { readonly face: Talk }> => {
  const scope = Scope.makeUnsafe()
  const end = (): Promise<void> => Effect.runPromise(Scope.close(scope, Exits.void))
  const begun = start.pipe(
    Effect.onError(() => Scope.close(scope, Exits.void)),
    Effect.provideService(Scope.Scope, scope)
  )
  const started = await promise(begun, signal)
  const { streams, talk } = started
  const fiber = Effect.runFork(talk.exit)
  const exit = promise(Effect.map(Fiber.join(fiber), withoutEvents), undefined).catch((error: unknown) => {
    throw signal?.aborted === true ? signal.reason : error
  })
  // if the caller does not look at it, its failure must not end this process
  exit.catch(() => {})
  const abort = () => void end()
  signal?.addEventListener("abort", abort, { once: true })
  fiber.addObserver(() => {
    signal?.removeEventListener("abort", abort)
    // what was written can be read until somebody has read it, or has closed it
    void Promise.all([closed(streams.stdout), closed(streams.stderr)]).then(end)
  })
  return {
    ...started,
    face: {
      pid: talk.pid,
      ...streams,
      exit,
      kill: (name = "SIGTERM") => promise(talk.signal(name)),
      resize: (size) => promise(talk.resize(size)),
      close: end,
      [Symbol.asyncDispose]: end
    }
  }
}

/** Starts the first program of a sandbox, and hands it over. */
export const handed = async (
  start: Effect.Effect<Spawning.Spawned, unknown, Kernel | Fork | Scope.Scope>,
  signal: AbortSignal | undefined
): Promise<Process> => {
  const spawned = Effect.map(start, (one) => ({ ...one, talk: one.process }))
  const { face, further, process } = await talked(spawned, signal)
  return {
    id: process.id,
    ...face,
    exec: (command, { signal, ...options } = {}) =>
      promise(Effect.map(process.exec(wordsOf(command), options), withoutEvents), signal),
    spawn: async (command, { signal, ...options } = {}) =>
      (await talked(further(wordsOf(command), options), signal)).face,
    pause: () => promise(process.pause),
    resume: () => promise(process.resume),
    stats: () => promise(process.stats)
  }
}
