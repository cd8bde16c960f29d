/**
 * What there is to do with a program that runs: its streams, its end, its signals, its terminal.
 *
 * @category programs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import { ExitCode, ProcessId } from "effect/process/ChildProcessSpawner"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Problem } from "../config/ConfigError.ts"
import * as signals from "../config/signals.ts"
import { SIG } from "../native/constants.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import { killing, type KillOptions, killShape, type Signal, signalShape } from "../runtime/signalling.ts"
import { problemsOf } from "./check.ts"
import { sinkOf, streamOf } from "./pipes.ts"
import { type Exit, exitOf } from "./Result.ts"
import {
  EndedBySignal,
  InvalidSandbox,
  type SandboxError,
  type SandboxStreamError,
  SandboxUnavailable
} from "./SandboxError.ts"
import { inOwnWords, type Program } from "./start.ts"
import type { Streams } from "./streams.ts"
import type { Size, Terminal } from "./terminal.ts"

/** A program that is talked to while it runs. */
export interface Talk {
  /** The program's pid, as this process sees it. */
  readonly pid: ProcessId
  /** What is written to it is what the program reads; its end is the end of the program's input. */
  readonly stdin: Sink.Sink<void, Uint8Array, never, SandboxStreamError>
  /**
   * What the program writes. It is read no faster than it is asked for, and the program waits meanwhile: if it is to go on, read
   * it, or drop it (`Stream.runDrain`). It can be read once.
   */
  readonly stdout: Stream.Stream<Uint8Array, SandboxStreamError>
  readonly stderr: Stream.Stream<Uint8Array, SandboxStreamError>
  /** Both, as they come. On a terminal, `stdout` has both, and `stderr` nothing. */
  readonly all: Stream.Stream<Uint8Array, SandboxStreamError>
  /** How it has ended, as soon as it has; of the first program of a sandbox: when all of the sandbox is removed. */
  readonly exit: Effect.Effect<Exit, SandboxError>
  /** Its exit status, as soon as it has ended; `exit` says more. */
  readonly exitCode: Effect.Effect<ExitCode, SandboxError | EndedBySignal>
  readonly isRunning: Effect.Effect<boolean>
  /**
   * Sends a signal to the program. If it ends the first program of a sandbox, all of the sandbox ends. If the program has ended
   * already, nothing happens. A name that is no signal's is an {@link InvalidSandbox}.
   */
  readonly signal: (signal: Signal) => Effect.Effect<void, SandboxError>
  /** Sends a signal to the program, and waits for its end. */
  readonly kill: (options?: KillOptions) => Effect.Effect<void, SandboxError>
  /** Sets the size of its terminal; SIGWINCH tells the program. {@link SandboxUnavailable} if it has no terminal. */
  readonly resize: (size: Size) => Effect.Effect<void, SandboxError>
}

/** Provides an effect with the kernel of the start. */
export type Provided = <A, E>(self: Effect.Effect<A, E, Kernel | Fork>) => Effect.Effect<A, E>

/** What is wrong with the options of a kill. */
export const checkKill = (options: KillOptions): ReadonlyArray<Problem> => problemsOf(killShape, options, "options")

const numberOf = (signal: Signal): Effect.Effect<number, InvalidSandbox> => {
  const problems = problemsOf(signalShape, signal, "signal")
  return problems.length > 0
    ? Effect.fail(new InvalidSandbox({ problems }))
    : Effect.succeed(signals.numberOf(String(signal))!)
}

/** Sets the size of a program's terminal. */
export const resized = (
  terminal: Terminal | undefined,
  size: Size
): Effect.Effect<void, InvalidSandbox | SandboxUnavailable | SyscallError, Kernel> =>
  terminal === undefined
    ? new SandboxUnavailable({
      what: ["resize"],
      why: "the program has no terminal",
      advice: "start it with terminal: true"
    })
    : terminal.resize(size)

/** A program that has just been started, with its streams and its terminal. */
export interface Spoken {
  readonly program: Program
  readonly terminal: Terminal | undefined
  readonly streams: Streams
  readonly timedOut: () => boolean
}

/**
 * What there is to do with a program.
 *
 * @param killed is done after a SIGKILL, since a frozen process does not die of it
 */
export const talkOf = (
  { program, streams, terminal, timedOut }: Spoken,
  provided: Provided,
  killed: Effect.Effect<void, SandboxError>
): Talk => {
  const stdout = streamOf(streams.stdout, "stdout")
  const stderr = terminal === undefined ? streamOf(streams.stderr, "stderr") : Stream.empty
  const exit = Effect.flatMap(program.ended, (ended) => exitOf(program, ended, timedOut()))
  const signal: Talk["signal"] = (signal) =>
    Effect.gen(function*() {
      const number = yield* numberOf(signal)
      yield* provided(program.signal(number))
      if (number === SIG.KILL) yield* killed
    })
  return {
    pid: ProcessId(program.pid),
    stdin: sinkOf(streams.stdin),
    stdout,
    stderr,
    all: terminal === undefined ? Stream.merge(stdout, stderr) : stdout,
    exit,
    exitCode: Effect.flatMap(exit, ({ exitCode, signal }) =>
      exitCode === null
        ? Effect.fail(new EndedBySignal({ signal: String(signal) }))
        : Effect.succeed(ExitCode(exitCode))),
    isRunning: Effect.sync(() => !program.hasEnded()),
    signal,
    kill: (options = {}) =>
      Effect.suspend(() => {
        const problems = checkKill(options)
        return problems.length > 0 ? Effect.fail(new InvalidSandbox({ problems })) : killing(signal, exit, options)
      }),
    resize: (size) => provided(inOwnWords(resized(terminal, size)))
  }
}
