/**
 * Further programs in a sandbox that runs: beside its first one, in the same namespaces, and with the same limits.
 *
 * @category programs
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import type { Redacted } from "effect/Redacted"
import type * as Scope from "effect/Scope"
import type { Container } from "../config/Container.ts"
import { may, struct } from "../config/shape/Shape.ts"
import { given } from "../engine/given.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import * as Runtime from "../runtime/Runtime.ts"
import { checkCommand, env, path, problemsOf } from "./check.ts"
import type { Resolved } from "./decode.ts"
import { envOf } from "./decode/environment.ts"
import { type Descriptors, shape as descriptors } from "./descriptors.ts"
import { sinceItsEnd } from "./failure.ts"
import {
  consoleFor,
  mayHaveTerminal,
  onTerminal,
  sizeOf,
  type TerminalChoice,
  terminalChoice,
  withTerm
} from "./onTerminal.ts"
import { drained, ended as endOf, makePipes, type Unused } from "./pipes.ts"
import { exitOf } from "./Result.ts"
import { checkOptions, type Options, type Result, take, unusedOf } from "./run.ts"
import type { Sandbox } from "./Sandbox.ts"
import { InvalidSandbox, type SandboxError } from "./SandboxError.ts"
import { inOwnWords, type Program, runIn, type Started } from "./start.ts"
import { streamsOf } from "./streams.ts"
import type { Spoken } from "./talk.ts"

/** What belongs to a program, and not to its sandbox. */
export interface OwnOptions {
  /** Variables of its environment, besides those of the sandbox. A secret may be `Redacted`. */
  readonly env?: Readonly<Record<string, string | Redacted<string>>>
  /** Its working directory; that of the sandbox if absent. */
  readonly cwd?: string
}

/** What a further program of a sandbox gets, if it is talked to. */
export interface FurtherOptions extends OwnOptions, TerminalChoice {
  /** Descriptors of the application that the program gets, by the number that it has them under. */
  readonly descriptors?: Descriptors
}

/** What a further program of a sandbox gets, if it is run to its end. */
export interface ExecOptions extends FurtherOptions, Pick<Options, "input" | "overflow"> {}

/** The shapes of what belongs to a program. */
export const ownFields = { env: may(env), cwd: may(path) }

const shape = struct<FurtherOptions>({ ...ownFields, descriptors: may(descriptors), terminal: may(terminalChoice) })

/** A program of a sandbox, with what is its own. */
export const processOf = (
  { description }: Sandbox,
  { container }: Resolved,
  command: ReadonlyArray<string>,
  { cwd, env = {} }: OwnOptions
): Effect.Effect<Container["process"]> =>
  Effect.map(envOf({ ...description, env: { ...description.env, ...env } }), (variables) => ({
    ...container.process,
    args: command,
    env: variables,
    ...(cwd === undefined ? {} : { cwd })
  }))

const never = () => false

/** Starts a further program, which ends with the scope. */
export const startFurther = (
  started: Started,
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: FurtherOptions,
  unused?: Unused
): Effect.Effect<
  Spoken & { readonly drained: Effect.Effect<void, never, Kernel> },
  SandboxError,
  Kernel | Fork | Scope.Scope
> =>
  Effect.gen(function*() {
    const { id, resolved, stateRoot } = started
    const problems = [...checkCommand(command), ...problemsOf(shape, options, "options")]
    if (problems.length > 0) return yield* new InvalidSandbox({ problems })
    const size = yield* sizeOf(options)
    yield* mayHaveTerminal(size, resolved)
    const own = size === undefined ? sandbox : { ...sandbox, description: withTerm(sandbox.description) }
    // the sandbox's first one may have a terminal, which is its own
    const { consoleSize: _, ...rest } = yield* processOf(own, resolved, command, options)
    const process = onTerminal(size, { ...rest, terminal: false })
    const pipes = yield* inOwnWords(makePipes(unused))
    const ownConsole = yield* inOwnWords(consoleFor(size))
    const socket = ownConsole === undefined ? {} : { consoleSocket: ownConsole.consoleSocket }
    const program: Program = yield* runIn(
      (handles, onRunning) =>
        Runtime.exec({ id, stateRoot, process, measured: true, ...handles, ...socket }, onRunning),
      pipes,
      { first: false, descriptors: options.descriptors }
    ).pipe(Effect.mapError(sinceItsEnd(started)))
    const terminal = yield* ownConsole === undefined
      ? Effect.undefined
      : inOwnWords(ownConsole.receive(program.hasEnded))
    const streams = streamsOf(pipes, terminal)
    return {
      program,
      terminal,
      streams,
      timedOut: never,
      drained: terminal === undefined
        ? Effect.andThen(drained(pipes.stdout), drained(pipes.stderr))
        : Effect.andThen(terminal.finish, endOf(streams.stdout))
    }
  })

/** Runs a further program to its end. */
export const exec = (
  started: Started,
  sandbox: Sandbox,
  command: ReadonlyArray<string>,
  options: ExecOptions
): Effect.Effect<Result, SandboxError, Kernel | Fork> =>
  Effect.scoped(Effect.gen(function*() {
    const { input, overflow, ...own } = options
    const taken = given({ input, overflow })
    const problems = checkOptions(taken)
    if (problems.length > 0) return yield* new InvalidSandbox({ problems })
    const { drained, program, streams } = yield* startFurther(started, sandbox, command, own, unusedOf(taken))
    const output = yield* take(program, streams, started.resolved, taken)
    const ended = yield* program.ended
    // it may have left others behind that hold its streams
    yield* drained
    return { ...yield* exitOf(program, ended, false), ...output() }
  }))
