/**
 * A layer of Effect's `ChildProcessSpawner`: with it, every child process of a program runs in a sandbox.
 *
 * What a sandbox does not have is refused by name, never ignored: standard input that is inherited, and further pipes that are
 * neither an input nor an output. This process passes on output that is inherited, since a program of a sandbox never has a
 * descriptor of the application's. `env` is added to the environment of the sandbox. Nothing of the application's own environment
 * is there, whatever `extendEnv` says, unless the sandbox inherits it by name. `detached` changes nothing: each program leads a
 * session of its own, and its scope ends it. All processes that a program has started end with it. A program that is let go of
 * (`unref`) runs on when its scope ends, until it ends by itself, or this process does.
 *
 * @category services
 * @since 0.2.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import {
  type ChildProcessHandle,
  ChildProcessSpawner,
  make as makeSpawner,
  makeHandle
} from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { existsSync } from "node:fs"
import { render } from "../config/ConfigError.ts"
import type { Fork } from "../native/Fork.ts"
import type { AnyFd } from "../native/Handle.ts"
import type { Kernel } from "../native/Kernel.ts"
import { surroundings } from "../runtime/defaults.ts"
import { type Output, write } from "../runtime/streams.ts"
import { held } from "./lifetime.ts"
import { sinkOf, type Unused } from "./pipes.ts"
import { extend, type Sandbox } from "./Sandbox.ts"
import type { SandboxError, SandboxStreamError } from "./SandboxError.ts"
import { begin, type Begun, endOf } from "./spawn.ts"
import type { StartOptions } from "./start.ts"
import { checkKill } from "./talk.ts"

type Failure = PlatformError.PlatformError
type Bytes = Stream.Stream<Uint8Array, Failure>

const tags: Readonly<Record<string, PlatformError.SystemErrorTag>> = {
  ENOENT: "NotFound",
  ProgramNotFound: "NotFound",
  ProgramNotExecutable: "PermissionDenied",
  NotADirectory: "BadResource",
  EACCES: "PermissionDenied",
  EPERM: "PermissionDenied",
  EEXIST: "AlreadyExists",
  EISDIR: "BadResource",
  ENOTDIR: "BadResource",
  EBUSY: "Busy",
  ELOOP: "BadResource"
}

const failure =
  (command: ChildProcess.StandardCommand, method: string) => (error: SandboxError | SandboxStreamError) => {
    const about = { module: "ChildProcess", method, description: error.message, cause: error }
    if (error._tag === "InvalidSandbox") return PlatformError.badArgument(about)
    const code = "code" in error ? error.code : ""
    const pathOrDescriptor = [command.command, ...command.args].join(" ")
    return PlatformError.systemError({ ...about, _tag: tags[code] ?? "Unknown", pathOrDescriptor })
  }

const refuse = (description: string): Effect.Effect<never, Failure> =>
  Effect.fail(PlatformError.badArgument({ module: "ChildProcess", method: "spawn", description }))

const streamOption = <A>(option: A | { readonly stream?: A | undefined } | undefined): A | "pipe" => {
  const isConfig = typeof option === "object" && option !== null && !Stream.isStream(option) && !Sink.isSink(option)
  return (isConfig ? (option as { readonly stream?: A | undefined }).stream : option as A | undefined) ?? "pipe"
}

/** The program and its arguments; with a shell, as Node puts them together. */
const wordsOf = ({ args, command, options: { shell } }: ChildProcess.StandardCommand): ReadonlyArray<string> =>
  shell === undefined || shell === false || shell === ""
    ? [command, ...args]
    : [shell === true ? "/bin/sh" : shell, "-c", [command, ...args].join(" ")]

const sandboxOf = (self: Sandbox, { cwd, env = {} }: ChildProcess.CommandOptions): Sandbox =>
  extend(self, {
    ...(cwd === undefined ? {} : { cwd }),
    env: Object.fromEntries(
      Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined)
    )
  })

/** Passes on what a program writes to a stream of this process. */
const passOn = (from: Bytes, to: Output): Effect.Effect<void> =>
  Effect.ignore(
    Stream.runForEach(from, (chunk) =>
      Effect.callback<void>((resume) => void write(to, chunk, () => resume(Effect.void))))
  )

const outputOf = (
  from: Bytes,
  option: ChildProcess.CommandOutput,
  to: Output
): Effect.Effect<Bytes, never, Scope.Scope> => {
  if (Sink.isSink(option)) {
    return Effect.succeed(Stream.transduce(from, option as Sink.Sink<Uint8Array, Uint8Array, Uint8Array, Failure>))
  }
  if (option === "pipe" || option === "overlapped") return Effect.succeed(from)
  return Effect.as(option === "ignore" ? Effect.void : Effect.forkScoped(passOn(from, to)), Stream.empty)
}

type AdditionalFds = ReadonlyArray<readonly [fd: AnyFd, config: ChildProcess.AdditionalFdConfig]>

/** The further pipes of a command; a name that is none is passed over, as Effect's own spawner does. */
const additionalFdsOf = ({ additionalFds = {} }: ChildProcess.CommandOptions): AdditionalFds =>
  Object.entries(additionalFds).flatMap(([name, config]) => {
    const fd = ChildProcess.parseFdName(name)
    return fd === undefined ? [] : [[fd, config] as const]
  })

/** Writes a stream in the background: a program may end before it has read all. */
const feed = (from: Bytes, to: Sink.Sink<void, Uint8Array, never, Failure>) =>
  Effect.forkScoped(Effect.ignore(Stream.run(from, to)))

/** What all programs of a spawner have in common. */
interface Common {
  readonly sandbox: Sandbox
  readonly start: StartOptions
}

const isWithin = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(directory.endsWith("/") ? directory : `${directory}/`)

/** A start makes a missing working directory, but a command that names one expects it to exist. */
const isThere = ({ description: { mounts = [], root = "host", writable = [] } }: Sandbox, cwd: string): boolean => {
  const own = ["/tmp", ...writable, ...mounts.map((mount) => mount.at ?? ("source" in mount ? mount.source : "/"))]
  return root !== "host" || own.some((directory) => isWithin(cwd, directory)) || existsSync(cwd)
}

/** A command as it is started. */
interface Start extends Common {
  readonly command: ChildProcess.StandardCommand
  readonly of: (method: string) => ReturnType<typeof failure>
  readonly further: AdditionalFds
}

/** Checks what can be checked before anything is made. */
const checked = ({ sandbox }: Common, { options }: ChildProcess.StandardCommand): Effect.Effect<void, Failure> =>
  Effect.gen(function*() {
    if (streamOption<ChildProcess.CommandInput>(options.stdin) === "inherit") {
      return yield* refuse("stdin: a sandbox never has a stream of the application's: give a stream")
    }
    for (const [name, { type }] of Object.entries(options.additionalFds ?? {})) {
      if (type !== "input" && type !== "output") {
        return yield* refuse(`additionalFds.${name}: a pipe of a sandbox is an "input" or an "output"`)
      }
    }
    const { forceKillAfter, killSignal } = options
    const problems = checkKill({ forceKillAfter, killSignal })
    if (problems.length > 0) return yield* refuse(problems.map(render).join("\n"))
    if (options.cwd?.startsWith("/") && !isThere(sandbox, options.cwd)) {
      const about = { module: "ChildProcess", method: "spawn", pathOrDescriptor: options.cwd }
      return yield* PlatformError.systemError({ ...about, _tag: "NotFound", description: "there is no such directory" })
    }
  })

/** What is written to standard input, and by whom. */
const inputOf = (
  { command: { options }, of }: Start,
  { streams }: Begun
): Effect.Effect<ChildProcessHandle["stdin"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const input = streamOption<ChildProcess.CommandInput>(options.stdin)
    const config = typeof options.stdin === "object" && "stream" in options.stdin ? options.stdin : undefined
    const stdin = Sink.mapError(sinkOf(streams.stdin, "stdin", config?.endOnDone ?? true), of("fromWritable(stdin)"))
    if (Stream.isStream(input)) yield* feed(input as Bytes, stdin)
    return input === "pipe" || input === "overlapped" ? stdin : Sink.drain
  })

/** The streams that a command ignores. */
const unusedOf = ({ stderr, stdin, stdout }: ChildProcess.CommandOptions): Unused =>
  (["stdin", "stdout", "stderr"] as const).filter((name) => streamOption({ stdin, stdout, stderr }[name]) === "ignore")

/** The ends of further pipes: a stream that was given is written, and a sink takes what is read. */
const furtherOf = (
  { further, of }: Start,
  { process }: Begun
): Effect.Effect<Pick<ChildProcessHandle, "getInputFd" | "getOutputFd">, never, Scope.Scope> =>
  Effect.gen(function*() {
    const getInputFd = (fd: AnyFd) => Sink.mapError(process.getInputFd(fd), of(`fromWritable(fd${fd})`))
    const outputs = new Map<number, Bytes>()
    for (const [fd, config] of further) {
      if (config.type === "input") {
        if (config.stream !== undefined) yield* feed(config.stream, getInputFd(fd))
        continue
      }
      const read = Stream.mapError(process.getOutputFd(fd), of(`fromReadable(fd${fd})`))
      outputs.set(fd, config.sink === undefined ? read : Stream.transduce(read, config.sink))
    }
    return { getInputFd, getOutputFd: (fd) => outputs.get(fd) ?? Stream.empty }
  })

/** A program, with the streams that its command has given or asks for; all of it ends with the scope. */
const handleOf = (self: Start) =>
  Effect.gen(function*() {
    const { command, further, of, sandbox, start } = self
    const { options } = command
    const pipes = Object.fromEntries(further.map(([fd, { type }]) => [fd, type]))
    const begun = yield* Effect.mapError(
      begin(sandboxOf(sandbox, options), wordsOf(command), { ...start, pipes }, unusedOf(options)),
      of("spawn")
    )
    const { process } = begun
    const stdin = yield* inputOf(self, begun)
    const [output, error] = [options.stdout, options.stderr].map((option) =>
      streamOption<ChildProcess.CommandOutput>(option)
    )
    const stdout = yield* outputOf(Stream.mapError(process.stdout, of("fromReadable(stdout)")), output!, "stdout")
    const stderr = yield* outputOf(Stream.mapError(process.stderr, of("fromReadable(stderr)")), error!, "stderr")
    const handle: Omit<Parameters<typeof makeHandle>[0], "unref"> = {
      pid: process.pid,
      exitCode: Effect.mapError(process.exitCode, (failed) =>
        failed._tag === "EndedBySignal"
          ? PlatformError.systemError({
            _tag: "Unknown",
            module: "ChildProcess",
            method: "exitCode",
            description: `Process interrupted due to receipt of signal: '${failed.signal}'`,
            pathOrDescriptor: command.command
          })
          : of("exitCode")(failed)),
      isRunning: process.isRunning,
      kill: (kill) => Effect.mapError(process.kill(kill), of("kill")),
      stdin,
      stdout,
      stderr,
      all: Stream.merge(stdout, stderr),
      ...yield* furtherOf(self, begun)
    }
    return { handle, begun }
  })

/** How long a program has after the signal at its scope's end, if its command does not say: the wait must have a bound. */
const patience: Duration.Input = "5 seconds"

const one = (
  common: Common,
  command: ChildProcess.StandardCommand
): Effect.Effect<ChildProcessHandle, Failure, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    yield* checked(common, command)
    const of = (method: string) => failure(command, method)
    const { forceKillAfter = patience, killSignal } = command.options
    const made = handleOf({ ...common, command, of, further: additionalFdsOf(command.options) })
    const { unref, value } = yield* held(made, {
      // the program may clean up
      atEnd: ({ begun: { process } }) => Effect.ignore(process.kill({ forceKillAfter, killSignal })),
      ended: ({ begun }) => endOf(begun)
    })
    return makeHandle({ ...value.handle, unref })
  })

interface Piped {
  readonly commands: ReadonlyArray<ChildProcess.StandardCommand>
  /** Between each command and the next one. */
  readonly pipes: ReadonlyArray<ChildProcess.PipeOptions>
}

const flat = (command: ChildProcess.Command): Piped => {
  if (command._tag === "StandardCommand") return { commands: [command], pipes: [] }
  const [left, right] = [flat(command.left), flat(command.right)]
  return {
    commands: [...left.commands, ...right.commands],
    pipes: [...left.pipes, command.options, ...right.pipes]
  }
}

/** What a pipe takes of a program; a name that is none stands for standard output, as in Effect's own spawner. */
const sourceOf = (handle: ChildProcessHandle, { from = "stdout" }: ChildProcess.PipeOptions): Bytes => {
  if (from === "stdout" || from === "stderr" || from === "all") return handle[from]
  const fd = ChildProcess.parseFdName(from)
  return fd === undefined ? handle.stdout : handle.getOutputFd(fd)
}

/** A command that reads a stream where its pipe leads. */
const reading = (
  { args, command, options }: ChildProcess.StandardCommand,
  stream: Bytes,
  { to = "stdin" }: ChildProcess.PipeOptions
): ChildProcess.StandardCommand => {
  const fd = ChildProcess.parseFdName(to)
  if (fd !== undefined) {
    const additionalFds = { ...options.additionalFds, [ChildProcess.fdName(fd)]: { type: "input" as const, stream } }
    return ChildProcess.make(command, args, { ...options, additionalFds })
  }
  const config = typeof options.stdin === "object" && "stream" in options.stdin ? options.stdin : {}
  return ChildProcess.make(command, args, { ...options, stdin: { ...config, stream } })
}

const spawnCommand = (
  self: Common,
  command: ChildProcess.Command
): Effect.Effect<ChildProcessHandle, Failure, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    const { commands, pipes } = flat(command)
    const handles = [yield* one(self, commands[0]!)]
    for (const [index, next] of commands.slice(1).entries()) {
      const pipe = pipes[index]!
      handles.push(yield* one(self, reading(next, sourceOf(handles.at(-1)!, pipe), pipe)))
    }
    const last = handles.at(-1)!
    if (handles.length === 1) return last
    return makeHandle({
      ...last,
      stdin: handles[0]!.stdin,
      kill: (options) =>
        Effect.asVoid(Effect.all(handles.map((handle) => handle.kill(options)), { concurrency: "unbounded" })),
      unref: Effect.map(
        Effect.forEach(handles, (handle) => handle.unref),
        (rerefs) => Effect.forEach(rerefs, (reref) => reref, { discard: true })
      )
    })
  })

/**
 * Every child process of a program in a sandbox: each has one of its own.
 *
 * **Example** (Tests that nobody trusts)
 *
 * ```ts
 * const program = ChildProcess.make("npm", ["test"]).pipe(Effect.flatMap((handle) => handle.exitCode), Effect.scoped)
 * Effect.provide(program, Layer.provide(spawnerLayer(make({ writable: ["/srv/job"], cwd: "/srv/job" })), layer))
 * ```
 */
export const spawnerLayer = (
  sandbox: Sandbox,
  start: StartOptions = {}
): Layer.Layer<ChildProcessSpawner, never, Kernel | Fork> =>
  Layer.effect(
    ChildProcessSpawner,
    Effect.gen(function*() {
      // without a scope: a program has its caller's, not that of the layer
      const within = yield* surroundings
      return makeSpawner((command) => within(spawnCommand({ sandbox, start }, command)))
    })
  )
