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
import * as Stream from "effect/Stream"
import { setMaxListeners } from "node:events"
import type { Readable, Writable } from "node:stream"
import { types } from "node:util"
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
  /**
   * What it reads from standard input: a text, bytes, or what has them one after the other, as a stream of Node's or of the
   * web's. If absent: the null device, or in a pool an empty pipe, as for an empty input.
   */
  readonly input?: string | Uint8Array | AsyncIterable<string | Uint8Array>
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
    : new SandboxError("the sandbox was closed before its program had ended", { code: "INTERRUPTED" })
}

const ownSignals = new WeakMap<AbortSignal, AbortSignal>()

/** A signal that follows the application's. One may be for very many programs, and Node would warn of a leak at eleven. */
const ownSignal = (signal: AbortSignal): AbortSignal => {
  // not by its class: a test's environment may have one of its own
  if (typeof signal !== "object" || signal === null || !("aborted" in signal)) {
    const problems = [{ path: "signal", value: signal, rule: "must be an AbortSignal" }]
    throw errorOf(new Errors.InvalidSandbox({ problems }))
  }
  const known = ownSignals.get(signal)
  if (known !== undefined) return known
  const controller = new AbortController()
  const follow = () => controller.abort(signal.reason)
  if (signal.aborted) follow()
  else signal.addEventListener("abort", follow, { once: true })
  setMaxListeners(0, controller.signal)
  ownSignals.set(signal, controller.signal)
  return controller.signal
}

/** Runs an effect to its end, and rejects with an error of this module. */
export const promise = async <A>(
  effect: Effect.Effect<A, unknown, Kernel | Fork>,
  signal?: AbortSignal
): Promise<A> => {
  const own = signal === undefined ? undefined : ownSignal(signal)
  own?.throwIfAborted()
  const exit = await Effect.runPromiseExit(Effect.provide(effect, layer), own === undefined ? {} : { signal: own })
  if (Exits.isSuccess(exit)) return exit.value
  throw reasonOf(exit.cause, signal)
}

/** An end as this module tells it. */
export const withoutEvents = <A extends { readonly events: unknown }>(
  { events: _events, ...rest }: A
): Omit<A, "events"> => rest

/** Bytes of what has texts or bytes one after the other. Its end is not waited for: it may be in the middle of a wait. */
const streamOf = (input: AsyncIterable<string | Uint8Array>): Stream.Stream<Uint8Array> => {
  const bytes: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => {
      const iterator = input[Symbol.asyncIterator]()
      return {
        next: async () => {
          const { done, value } = await iterator.next()
          if (done === true) return { done, value: undefined }
          if (typeof value === "string") return { value: Buffer.from(value) }
          if (types.isUint8Array(value)) return { value }
          throw new TypeError(`the input must have texts or bytes, and not ${typeof value}`)
        },
        return: async () => {
          iterator.return?.().catch(() => {})
          return { done: true, value: undefined }
        }
      }
    }
  }
  return Stream.orDie(Stream.fromAsyncIterable(bytes, (error) => error))
}

const isIterable = (input: unknown): input is AsyncIterable<string | Uint8Array> =>
  typeof input === "object" && input !== null && Symbol.asyncIterator in input

/** Options with an input as the other module takes it. */
export const withStream = <A extends Pick<Options, "input">>(
  { input, ...rest }: A
): Omit<A, "input"> & Pick<Running.Options, "input"> =>
  input === undefined ? rest : { ...rest, input: isIterable(input) ? streamOf(input) : input }

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
  // it may have been aborted since the program runs, when nobody listened
  if (signal?.aborted === true) {
    await end()
    throw signal.reason
  }
  const { streams, talk } = started
  const fiber = Effect.runFork(talk.exit)
  const exit = promise(Effect.map(Fiber.join(fiber), withoutEvents), undefined).catch((error: unknown) => {
    throw signal?.aborted === true ? signal.reason : error
  })
  // if the caller does not look at it, its failure must not end this process
  exit.catch(() => {})
  const abort = () => void end()
  const own = signal === undefined ? undefined : ownSignal(signal)
  own?.addEventListener("abort", abort, { once: true })
  fiber.addObserver(() => {
    own?.removeEventListener("abort", abort)
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
      promise(Effect.map(process.exec(wordsOf(command), withStream(options)), withoutEvents), signal),
    spawn: async (command, { signal, ...options } = {}) =>
      (await talked(further(wordsOf(command), options), signal)).face,
    pause: () => promise(process.pause),
    resume: () => promise(process.resume),
    stats: () => promise(process.stats)
  }
}
