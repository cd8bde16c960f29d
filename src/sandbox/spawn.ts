/** A program in a sandbox that is talked to while it runs. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ExitCode, ProcessId } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import type * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Readable, Writable } from "node:stream"
import type { Container } from "../config/Container.ts"
import * as signals from "../config/signals.ts"
import { SIG } from "../native/constants.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel, SyscallError } from "../native/Kernel.ts"
import * as Runtime from "../runtime/Runtime.ts"
import * as Cgroup from "../steps/cgroup/Cgroup.ts"
import * as Store from "../steps/state/Store.ts"
import { checkCommand } from "./check.ts"
import type { Resolved } from "./decode.ts"
import { envOf } from "./decode/environment.ts"
import { type Ends, type FurtherPipes, furtherPipes } from "./furtherPipes.ts"
import { held } from "./lifetime.ts"
import { drained, ended, makePipes, sinkOf, streamOf } from "./pipes.ts"
import { type Exit, exitOf } from "./Result.ts"
import { checkOptions, type Options, type Result, take } from "./run.ts"
import type { Sandbox } from "./Sandbox.ts"
import {
  EndedBySignal,
  InvalidSandbox,
  type SandboxError,
  type SandboxStreamError,
  SandboxUnavailable
} from "./SandboxError.ts"
import { inOwnWords, runIn, start, type Started, type TerminalOptions } from "./start.ts"
import type { Size } from "./terminal.ts"

/** A signal by its name or number: `"SIGTERM"`, `"TERM"`, 15. */
export type Signal = string | number

/** What a program gets that is talked to while it runs. */
export interface SpawnOptions extends TerminalOptions {
  /**
   * Further pipes, by the number that the program has them under: `{ 3: "output" }` is one that it writes to. This process's
   * ends of them are `getInputFd` and `getOutputFd` of the process.
   */
  readonly pipes?: FurtherPipes
}

/** How a program is ended. */
export interface KillOptions {
  /** SIGTERM if absent. */
  readonly killSignal?: Signal | undefined
  /** How long it has after that, before SIGKILL ends it; it is waited for as long as it takes if absent. */
  readonly forceKillAfter?: Duration.Input | undefined
}

/** What a further program of a sandbox gets. */
export interface ExecOptions extends Pick<Options, "input" | "overflow" | "descriptors"> {
  /** Variables of its environment, besides those of the sandbox. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** What a sandbox uses now. What is not counted is absent. */
export interface Stats {
  /** Time of processors until now, in milliseconds. */
  readonly cpu?: number
  /** Bytes. */
  readonly memory?: number
  readonly processes?: number
}

/**
 * A program in a sandbox. It ends with the scope in which it was started. It has all that effect's `ChildProcessHandle` has,
 * under the same names.
 */
export interface Process extends Ends {
  /** The id of the sandbox, as `runfx list` shows it. */
  readonly id: string
  /** The program's pid, as this process sees it. */
  readonly pid: ProcessId
  /** What is written to it is what the program reads; its end is the end of the program's input. */
  readonly stdin: Sink.Sink<void, Uint8Array, never, SandboxStreamError>
  /**
   * What the program writes. It is read no faster than it is asked for, and the program waits meanwhile: who wants it to go
   * on reads it, or runs it to nowhere (`Stream.runDrain`). It can be read once.
   */
  readonly stdout: Stream.Stream<Uint8Array, SandboxStreamError>
  readonly stderr: Stream.Stream<Uint8Array, SandboxStreamError>
  /** Both, as they come. On a terminal, `stdout` has both, and `stderr` nothing. */
  readonly all: Stream.Stream<Uint8Array, SandboxStreamError>
  /** How it has ended, as soon as it has, and all of the sandbox is removed. */
  readonly exit: Effect.Effect<Exit, SandboxError>
  /** Its exit status, as soon as it has ended; `exit` says more. */
  readonly exitCode: Effect.Effect<ExitCode, SandboxError | EndedBySignal>
  readonly isRunning: Effect.Effect<boolean>
  /**
   * Sends a signal to the program; SIGKILL, and what ends it, ends all of the sandbox. If it has ended, nothing happens. A
   * name that is none is an {@link InvalidSandbox}.
   */
  readonly signal: (signal: Signal) => Effect.Effect<void, SandboxError>
  /** Sends a signal to the program, and waits for its end, which is that of all of the sandbox. */
  readonly kill: (options?: KillOptions) => Effect.Effect<void, SandboxError>
  /**
   * Lets it go on when its scope ends; what it succeeds with takes that back. It ends with this process all the same, and
   * this process does not end by itself before it.
   */
  readonly unref: Effect.Effect<Effect.Effect<void>>
  /** Runs a further program in the same sandbox to its end. The limits are the sandbox's. */
  readonly exec: (command: ReadonlyArray<string>, options?: ExecOptions) => Effect.Effect<Result, SandboxError>
  /** Sets the size of its terminal, of which the program is told by SIGWINCH; {@link SandboxUnavailable} if it has none. */
  readonly resize: (size: Size) => Effect.Effect<void, SandboxError>
  /** Stops all processes where they are. Takes a cgroup, without which it is a {@link SandboxUnavailable}. */
  readonly pause: Effect.Effect<void, SandboxError>
  /** Lets them continue. */
  readonly resume: Effect.Effect<void, SandboxError>
  /** What it uses now; takes a cgroup, as `pause` does. */
  readonly stats: Effect.Effect<Stats, SandboxError>
}

const numberOf = (signal: Signal): Effect.Effect<number, InvalidSandbox> => {
  const number = signals.numberOf(String(signal))
  return number === undefined
    ? Effect.fail(
      new InvalidSandbox({
        problems: [{ path: "signal", value: signal, rule: "must be a signal: \"SIGTERM\", or 15" }]
      })
    )
    : Effect.succeed(number)
}

/** The cgroups of a sandbox, as they are written down. */
const cgroupOf = (what: string, { id, stateRoot }: Started) =>
  Effect.flatMap(Store.load(stateRoot, id), ({ cgroup }) =>
    cgroup === undefined
      ? new SandboxUnavailable({
        what: [what],
        why: "the sandbox has no cgroup",
        advice: "run as root, or give it a limit that takes a cgroup, in one that is delegated to the caller"
      })
      : Effect.succeed(cgroup))

/** A program of a sandbox, with what is its own. */
export const processOf = (
  { description }: Sandbox,
  { container }: Resolved,
  command: ReadonlyArray<string>,
  { cwd, env = {} }: { readonly cwd?: string | undefined; readonly env?: ExecOptions["env"] | undefined }
): Effect.Effect<Container["process"]> =>
  Effect.map(envOf({ ...description, env: { ...description.env, ...env } }), (variables) => ({
    ...container.process,
    args: command,
    env: variables,
    ...(cwd === undefined ? {} : { cwd })
  }))

const exec = (
  { id, resolved, stateRoot }: Started,
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  { cwd, descriptors, env = {}, ...options }: ExecOptions
): Effect.Effect<Result, SandboxError, Kernel | Fork> =>
  Effect.scoped(Effect.gen(function*() {
    const problems = [...checkCommand(command), ...checkOptions(options)]
    if (problems.length > 0) return yield* new InvalidSandbox({ problems })
    const process = yield* processOf(sandbox, resolved, command, { env, cwd })
    const pipes = yield* inOwnWords(makePipes)
    const program = yield* runIn(
      (handles, onRunning) => Runtime.exec({ id, stateRoot, process, measured: true, ...handles }, onRunning),
      pipes,
      { first: false, descriptors }
    )
    const output = yield* take(program, resolved, options)
    const ended = yield* program.ended
    // it may have left others behind that hold its streams
    yield* drained(pipes.stdout)
    yield* drained(pipes.stderr)
    return { ...yield* exitOf(program, ended, false), ...output() }
  }))

/** The streams of a program as Node has them. */
export interface Streams {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
}

/** Its pipes; or its terminal, which has no standard error of its own. */
const streamsOf = ({ pipes, terminal }: Started): Streams => {
  if (terminal === undefined) return { stdin: pipes.stdin, stdout: pipes.stdout, stderr: pipes.stderr }
  pipes.stdin.destroy()
  pipes.stdout.destroy()
  // nobody has its other end: it ends at once
  return { stdin: terminal.input, stdout: terminal.output, stderr: pipes.stderr.resume() }
}

/** Sends a signal, and waits for the end; after some time, if one is given, SIGKILL ends what continues. */
const killing = (
  signal: (signal: Signal) => Effect.Effect<void, SandboxError>,
  exit: Effect.Effect<unknown, SandboxError>
): Process["kill"] =>
({ forceKillAfter, killSignal = "SIGTERM" } = {}) =>
  Effect.gen(function*() {
    yield* signal(killSignal)
    if (forceKillAfter !== undefined) {
      const inTime = yield* Effect.timeoutOption(Effect.exit(exit), Duration.fromInputUnsafe(forceKillAfter))
      if (inTime._tag === "Some") return
      yield* signal("SIGKILL")
    }
    yield* Effect.exit(exit)
  })

/** What of a process acts on its cgroups. */
const controls = (started: Started, provided: Provided) => {
  const withCgroup = <A, E>(
    what: string,
    use: (cgroup: Cgroup.CgroupManager) => Effect.Effect<A, E, Kernel>
  ): Effect.Effect<A, SandboxError> => provided(inOwnWords(Effect.flatMap(cgroupOf(what, started), use)))
  let paused = false
  const set = (to: boolean) => Effect.sync(() => void (paused = to))
  return {
    isPaused: () => paused,
    pause: withCgroup("pause", (cgroup) => Effect.andThen(Cgroup.freeze(cgroup), set(true))),
    resume: withCgroup("resume", (cgroup) => Effect.andThen(Cgroup.thaw(cgroup), set(false))),
    stats: withCgroup("stats", (cgroup) =>
      Effect.map(Cgroup.stats(cgroup), ({ cpu, memory, pids }): Stats => ({
        ...(cpu === undefined ? {} : { cpu: Number(cpu.usage / 1000n) / 1000 }),
        ...(memory === undefined ? {} : { memory: Number(memory.usage) }),
        ...(pids === undefined ? {} : { processes: Number(pids.current) })
      })))
  }
}

/** Provides an effect with the kernel of the start. */
type Provided = <A, E>(self: Effect.Effect<A, E, Kernel | Fork>) => Effect.Effect<A, E>

/** A program that has just been started. */
export interface Begun {
  readonly process: Omit<Process, "unref">
  readonly streams: Streams
}

/** Starts a program, which ends with this very scope. */
export const begin = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  { pipes: ways = {}, ...options }: SpawnOptions
): Effect.Effect<Begun, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    const further = yield* inOwnWords(furtherPipes(ways, options.descriptors ?? {}))
    const descriptors = { ...options.descriptors, ...further.descriptors }
    const started = yield* start(sandbox, command, { ...options, descriptors })
    yield* further.closeTheirs
    return yield* begunOf(sandbox, started, further)
  })

const resized = (
  { terminal }: Started,
  size: Size
): Effect.Effect<void, InvalidSandbox | SandboxUnavailable | SyscallError, Kernel> =>
  terminal === undefined
    ? new SandboxUnavailable({
      what: ["resize"],
      why: "the program has no terminal",
      advice: "start it with terminal: true"
    })
    : terminal.resize(size)

/** What there is to do with a program that was started. */
export const begunOf = (
  sandbox: Sandbox,
  started: Started,
  further: Ends
): Effect.Effect<Begun, never, Kernel | Fork> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Kernel | Fork>()
    const provided: Provided = (self) => Effect.provideContext(self, context)
    const streams = streamsOf(started)
    const { isPaused, ...control } = controls(started, provided)
    const stdout = streamOf(streams.stdout, "stdout")
    const stderr = started.terminal === undefined ? streamOf(streams.stderr, "stderr") : Stream.empty
    const exit = Effect.flatMap(started.ended, (ended) => exitOf(started, ended, started.timedOut()))
    const signal: Process["signal"] = (signal) =>
      Effect.gen(function*() {
        const number = yield* numberOf(signal)
        yield* provided(started.signal(number))
        // a frozen process does not die
        if (isPaused() && number === SIG.KILL) yield* control.resume
      })
    const process = {
      id: started.id,
      pid: ProcessId(started.pid),
      stdin: sinkOf(streams.stdin),
      stdout,
      stderr,
      all: started.terminal === undefined ? Stream.merge(stdout, stderr) : stdout,
      resize: (size: Size) => provided(inOwnWords(resized(started, size))),
      getInputFd: further.getInputFd,
      getOutputFd: further.getOutputFd,
      exit,
      exitCode: Effect.flatMap(exit, ({ exitCode, signal }) =>
        exitCode === null
          ? Effect.fail(new EndedBySignal({ signal: String(signal) }))
          : Effect.succeed(ExitCode(exitCode))),
      isRunning: Effect.sync(() => !started.hasEnded()),
      signal,
      kill: killing(signal, exit),
      exec: (command: ReadonlyArray<string>, options: ExecOptions = {}) =>
        provided(exec(started, sandbox, command, options)),
      ...control
    }
    return { process, streams }
  })

/** Waits for a program's end, and for those that read what it has written. */
export const endOf = ({ process, streams: { stderr, stdout } }: Begun): Effect.Effect<unknown, unknown> => {
  const read = Effect.suspend(() =>
    Effect.forEach([stdout, stderr].filter((stream) => stream.listenerCount("readable") > 0), ended, { discard: true })
  )
  return Effect.andThen(process.exit, read)
}

/** A program, with its streams as Node has them. */
export interface Spawned {
  readonly process: Process
  readonly streams: Streams
}

/** Has a program run as long as the scope, unless it is let go. */
export const spawnedFrom = <R>(
  begin: Effect.Effect<Begun, SandboxError, R>
): Effect.Effect<Spawned, SandboxError, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.map(
    held(begin, { atEnd: () => Effect.void, ended: endOf }),
    ({ unref, value: { process, streams } }) => ({ process: { ...process, unref }, streams })
  )

/** As {@link spawn}, with the streams as Node has them. */
export const spawnWith = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: SpawnOptions = {}
): Effect.Effect<Spawned, SandboxError, Kernel | Fork | Scope.Scope> => spawnedFrom(begin(sandbox, command, options))

/**
 * Starts a program in a sandbox, to be talked to while it runs. With the scope all of it ends, and nothing is left.
 *
 * **Example** (A shell that is told line by line)
 *
 * ```ts
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const shell = yield* spawn(make(), ["sh"])
 *   yield* Stream.run(Stream.make(new TextEncoder().encode("echo hello\n")), shell.stdin)
 *   const text = yield* Stream.mkString(Stream.decodeText(shell.stdout))
 *   return [text, (yield* shell.exit).exitCode]
 * }))
 * ```
 */
export const spawn = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: SpawnOptions = {}
): Effect.Effect<Process, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.map(spawnWith(sandbox, command, options), ({ process }) => process)
