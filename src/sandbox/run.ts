/**
 * Runs a program in a sandbox to its end, and takes what it writes.
 *
 * @category programs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { types } from "node:util"
import type { Problem } from "../config/ConfigError.ts"
import { may, oneOf, type Shape, struct } from "../config/shape/Shape.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import { problemsOf } from "./check.ts"
import { Collector, type Overflow } from "./Collector.ts"
import type { Resolved } from "./decode.ts"
import { shape as descriptors } from "./descriptors.ts"
import { terminalChoice } from "./onTerminal.ts"
import { ended, sinkOf, type Unused, write } from "./pipes.ts"
import { type Exit, exitOf } from "./Result.ts"
import type { Sandbox } from "./Sandbox.ts"
import { InvalidSandbox, type SandboxError, type SandboxStreamError } from "./SandboxError.ts"
import { type Program, start, type Started, type TerminalOptions } from "./start.ts"
import { type Streams, streamsOf } from "./streams.ts"

/** What a program gets, and what becomes of what it writes. */
export interface Options extends TerminalOptions {
  /** What it reads from standard input. If it is absent, that is the null device; if it is empty, a pipe that ends. */
  readonly input?: string | Uint8Array | Stream.Stream<Uint8Array>
  /**
   * What happens if it writes more than `limits.output` to standard output or standard error: `"end"` ends it; `"first"`
   * keeps what came first, `"last"` what came last, and the program continues. If absent: `"end"`, or `"last"` in a workspace.
   */
  readonly overflow?: Overflow
}

/** How a program has ended, and what it has written. */
export interface Result extends Exit {
  /** Its standard output as text (UTF-8). */
  readonly stdout: string
  readonly stderr: string
  /** Its standard output, byte for byte. */
  readonly stdoutBytes: Uint8Array
  readonly stderrBytes: Uint8Array
  /** Whether it has written more than was kept. */
  readonly truncated: boolean
}

const input: Shape = (value, at, tell) => {
  if (typeof value !== "string" && !types.isUint8Array(value) && !Stream.isStream(value)) {
    tell(at, value, "must be a text, bytes, or a stream of bytes")
  }
}

/** The shapes of what a start takes. */
export const startFields = {
  stateRoot: may((value, at, tell) => {
    if (typeof value !== "string") tell(at, value, "must be a path")
  }),
  descriptors: may(descriptors),
  terminal: may(terminalChoice)
}

// closed, as all options: a limit that is given in the wrong place must not be lost without a word
const shape = struct<Options>({ ...startFields, input: may(input), overflow: may(oneOf("end", "first", "last")) })

/** What is wrong with options. */
export const checkOptions = (options: Options): ReadonlyArray<Problem> => problemsOf(shape, options, "options")

/** A program may end before it has read all: that is its own business. */
const unread = (error: SandboxStreamError) => error.code === "EPIPE" ? Effect.void : Effect.die(error)

/** Without an input, nobody writes one. */
export const unusedOf = ({ input }: Pick<Options, "input">): Unused => input === undefined ? ["stdin"] : []

const feed = ({ stdin }: Streams, input: Options["input"]): Effect.Effect<void> => {
  if (input === undefined) return Effect.sync(() => void stdin.end())
  if (Stream.isStream(input)) return Effect.catch(Stream.run(input, sinkOf(stdin)), unread)
  const bytes = typeof input === "string" ? Buffer.from(input) : input
  return Effect.andThen(Effect.catch(write(stdin, bytes), unread), Effect.sync(() => void stdin.end()))
}

/** What a program has written. */
export type Output = Pick<Result, "stdout" | "stderr" | "stdoutBytes" | "stderrBytes" | "truncated">

/** Writes a program's input, and reads its output from now on; the function returns what there is of it. */
export const take = (
  program: Program,
  streams: Streams,
  resolved: Pick<Resolved, "output" | "overflow">,
  { input, overflow = resolved.overflow }: Pick<Options, "input" | "overflow">
): Effect.Effect<() => Output, never, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    const context = yield* Effect.context<Kernel>()
    const tooMuch = () => {
      if (overflow === "end") Effect.runForkWith(context)(program.kill)
    }
    const keep = overflow === "last" ? "last" : "first"
    const stdout = new Collector(streams.stdout, resolved.output, keep, tooMuch)
    const stderr = new Collector(streams.stderr, resolved.output, keep, tooMuch)
    // an input that fails half-way must not look like a complete one
    yield* Effect.forkScoped(Effect.catchCause(feed(streams, input), program.giveUp))
    return () => {
      const [out, err] = [stdout.bytes, stderr.bytes]
      return {
        stdout: out.toString("utf8"),
        stderr: err.toString("utf8"),
        stdoutBytes: out,
        stderrBytes: err,
        truncated: stdout.truncated || stderr.truncated
      }
    }
  })

/** Writes a program's input, reads its output, and waits for its end. */
export const toItsEnd = (
  started: Started,
  options: Pick<Options, "input" | "overflow">
): Effect.Effect<Result, SandboxError, Kernel | Scope.Scope> =>
  Effect.gen(function*() {
    const streams = streamsOf(started.pipes, started.terminal)
    const output = yield* take(started, streams, started.resolved, options)
    const end = yield* started.ended
    // all processes are gone, and with them their ends of the streams, which end after what is there
    yield* Effect.all([ended(streams.stdout), ended(streams.stderr)], { discard: true })
    return { ...yield* exitOf(started, end, started.timedOut()), ...output() }
  })

/**
 * Runs a program in a sandbox, and waits for its end. Whatever happens, nothing of the sandbox is left, and none of its
 * processes: they end with the program, with an interruption, and with this process.
 *
 * A program that fails is no error: its exit code, its signal, and whether its time or its memory was used up are in the
 * result. An error is a description that is wrong ({@link InvalidSandbox}, with all that is), a host that can't do what is
 * asked ({@link SandboxUnavailable}), or a start that failed ({@link SandboxFailed}), for instance if there is no such
 * program.
 *
 * **Example** (A word count)
 *
 * ```ts
 * const { exitCode, stdout } = yield* run(make(), ["wc", "-w"], { input: "four words in it" })
 * ```
 */
export const run = (
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: Options = {}
): Effect.Effect<Result, SandboxError, Kernel | Fork> =>
  Effect.scoped(Effect.gen(function*() {
    const problems = checkOptions(options)
    if (problems.length > 0) return yield* new InvalidSandbox({ problems })
    return yield* toItsEnd(yield* start(sandbox, command, options, unusedOf(options)), options)
  }))
