/**
 * A pool of sandboxes that wait for their programs: what takes time is done beforehand, and a program runs in a sandbox of
 * its own within a fraction of a start.
 *
 * **Example** (A pool that serves requests)
 *
 * ```ts
 * const program = Effect.scoped(Effect.gen(function*() {
 *   const pool = yield* Pool.make({ size: 4, sandbox: make({ limits: { time: "5 seconds" } }) })
 *   const { stdout } = yield* Pool.run(pool, ["echo", "hello"])
 *   return stdout
 * }))
 * ```
 *
 * @category pools
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Problem } from "../config/ConfigError.ts"
import { func, may, open, type Shape, struct, text, whole } from "../config/shape/Shape.ts"
import { validateProcess } from "../config/validate.ts"
import { given } from "../engine/given.ts"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import { type Provided, surroundings } from "../runtime/defaults.ts"
import { check, checkCommand, problemsOf } from "./check.ts"
import { ownFields, type OwnOptions, processOf } from "./further.ts"
import { noEnds } from "./furtherPipes.ts"
import { terminalChoice } from "./onTerminal.ts"
import { checkOptions, type Options as RunOptions, type Result, toItsEnd } from "./run.ts"
import { make as makeSandbox, type Sandbox } from "./Sandbox.ts"
import { InvalidSandbox, type SandboxError, SandboxFailed } from "./SandboxError.ts"
import { begunOf, type Process, type Spawned, spawnedFrom } from "./spawn.ts"
import type { Started } from "./start.ts"
import { type Item, poolClosed, type PoolEvent, Stock } from "./stock.ts"
import type { Size } from "./terminal.ts"
import { prepare } from "./waiting.ts"

export type { PoolEvent } from "./stock.ts"

/**
 * What a pool is made with.
 *
 * @category models
 */
export interface Options {
  /** How many sandboxes wait. */
  readonly size: number
  /** What each of them is; see `make`. The safe default if absent. */
  readonly sandbox?: Sandbox
  /** Whether each of their programs has a terminal, and of which size; as of `spawn`. */
  readonly terminal?: boolean | Size
  /** How many are made at the same time; 2 if absent. */
  readonly concurrency?: number
  /** Is told of each sandbox that is ready, could not be made, or has broken while it waited. */
  readonly onEvent?: (event: PoolEvent) => Effect.Effect<void>
  /** Directory of the states of all containers. If absent: `StateRoot` of `runfx/runtime/Runtime`, or else the command's. */
  readonly stateRoot?: string
}

/**
 * Sandboxes that wait for their programs. They end with the scope in which the pool was made, and so do their programs.
 *
 * @category models
 */
export interface Pool {
  readonly size: number
  /** How many wait now. */
  readonly waiting: Effect.Effect<number>
  /** Done when as many wait as there should be; fails if one can't be made until then. */
  readonly full: Effect.Effect<void, SandboxError>
  /** Starts a program in a sandbox that was never used before; it ends with the scope. */
  readonly start: (
    command: ReadonlyArray<string>,
    options: ProgramOptions
  ) => Effect.Effect<ProgramOfPool, SandboxError, Kernel | Scope.Scope>
  /** Provides effects with the kernel that the pool was made with. */
  readonly within: Provided
}

/**
 * A program that runs in a sandbox of a pool.
 *
 * @category models
 */
export interface ProgramOfPool {
  readonly started: Started
  readonly sandbox: Sandbox
}

/**
 * What belongs to a program of a pool, and not to its sandbox. Its user must be able to enter `cwd`.
 *
 * @category models
 */
export interface ProgramOptions extends OwnOptions {
  /** The size of its terminal, if the pool's programs have one; that of the pool if absent. */
  readonly size?: Size
}

const most = 4096

const anySandbox: Shape = open<object>({ description: open<object>({}) })

const shape = struct<Options>({
  size: whole(1, most),
  sandbox: may(anySandbox),
  terminal: may(terminalChoice),
  concurrency: may(whole(1, most)),
  onEvent: may(func),
  stateRoot: may(text)
})

const programShape = struct<ProgramOptions>({ ...ownFields, size: may(open<object>({})) })

const refuse = (problems: ReadonlyArray<Problem>): Effect.Effect<void, InvalidSandbox> =>
  problems.length === 0 ? Effect.void : Effect.fail(new InvalidSandbox({ problems }))

const checkPool = (options: Options): ReadonlyArray<Problem> => {
  const wrong = problemsOf(shape, options, "options")
  return wrong.length > 0 || options.sandbox === undefined ? wrong : check(options.sandbox.description)
}

/** How many sandboxes are tried for one program, if one after the other is broken. */
const tries = 3

/** The errors of a sandbox that was broken before its program was known. */
const ofBroken = new Set(["InitDied", "InitStuck", "ChannelGarbled", "Frozen"])

const isBroken = (error: SandboxError): boolean => error instanceof SandboxFailed && ofBroken.has(error.code)

/** Starts a program in a sandbox that waits. */
const handOut = (
  { scope, waiting }: Item,
  command: ReadonlyArray<string>,
  options: ProgramOptions
): Effect.Effect<Started, SandboxError, Kernel> =>
  Effect.gen(function*() {
    const { container, names } = waiting.resolved
    const process = yield* processOf(waiting.sandbox, waiting.resolved, command, options)
    yield* refuse(validateProcess(process, container, names))
    return yield* Scope.provide(waiting.handOut(process, options.size), scope)
  })

/**
 * Makes a pool; done when the first of its sandboxes waits, so that this fails if none can be made. The others are made in the
 * background.
 *
 * @category constructors
 */
export const make = (options: Options): Effect.Effect<Pool, SandboxError, Kernel | Fork | Scope.Scope> =>
  Effect.gen(function*() {
    yield* refuse(checkPool(options))
    const { concurrency = 2, onEvent = () => Effect.void, sandbox = makeSandbox(), size, stateRoot, terminal } = options
    const context = yield* Effect.context<Kernel | Fork>()
    const scope = yield* Scope.fork(yield* Effect.scope, "parallel")
    const stock: Stock = new Stock(
      {
        size,
        concurrency,
        make: prepare(sandbox, given({ stateRoot, terminal })),
        // a handler that dies must not take the pool along
        tell: (event) =>
          Effect.catchCause(
            Effect.suspend(() => onEvent(event)),
            (cause) => Effect.logWarning(`the handler of a pool's events has died, for ${event._tag}`, cause)
          )
      },
      scope,
      (effect) => void Effect.runForkWith(context)(Effect.forkIn(effect, scope))
    )
    yield* Scope.addFinalizer(yield* Effect.scope, Effect.sync(() => stock.close()))
    stock.fill()
    yield* stock.has(1)
    return poolOf(stock, sandbox, size, yield* surroundings)
  })

const poolOf = (stock: Stock, sandbox: Sandbox, size: number, within: Provided): Pool => ({
  within,
  size,
  waiting: Effect.sync(() => stock.waiting),
  full: stock.has(size),
  start: (command, options) =>
    Effect.gen(function*(): Effect.fn.Return<ProgramOfPool, SandboxError, Kernel | Scope.Scope> {
      yield* refuse([...checkCommand(command), ...problemsOf(programShape, options, "options")])
      for (let tried = 1;; tried++) {
        let taken: Item | undefined
        yield* Effect.addFinalizer((exit) => {
          if (taken === undefined) return Effect.void
          // it may have been interrupted before it was served
          stock.givenUp(taken)
          return Scope.close(taken.scope, exit)
        })
        const item = yield* stock.take((one) => void (taken = one))
        const exit = yield* Effect.exit(handOut(item, command, options))
        if (Exit.isSuccess(exit)) {
          stock.served(item)
          return { started: exit.value, sandbox }
        }
        stock.givenUp(item)
        yield* Scope.close(item.scope, exit)
        // by the end of the pool
        if (Cause.hasInterruptsOnly(exit.cause)) return yield* poolClosed()
        const error = exit.cause.reasons.find(Cause.isFailReason)?.error
        if (error === undefined || !isBroken(error)) return yield* Effect.failCause(exit.cause)
        yield* stock.broken(item, error)
        if (tried === tries) return yield* Effect.fail(error)
      }
    })
})

/**
 * Runs a program in a sandbox of a pool, and waits for its end; see `run`. If no sandbox waits, the next one is used. Without an
 * `input`, standard input is an empty pipe.
 *
 * **Example** (A word count)
 *
 * ```ts
 * const { stdout } = yield* Pool.run(pool, ["wc", "-w"], { input: "four words in it" })
 * ```
 */
export const run = (
  pool: Pool,
  command: ReadonlyArray<string>,
  options: Pick<RunOptions, "input" | "overflow"> & ProgramOptions = {}
): Effect.Effect<Result, SandboxError> =>
  pool.within(Effect.scoped(Effect.gen(function*() {
    const { input, overflow, ...own } = options
    const taken = given({ input, overflow })
    yield* refuse(checkOptions(taken))
    const { started } = yield* pool.start(command, own)
    return yield* toItsEnd(started, taken)
  })))

/** As {@link spawn}, with the streams as Node has them. */
export const spawnWith = (
  pool: Pool,
  command: ReadonlyArray<string>,
  options: ProgramOptions = {}
): Effect.Effect<Spawned, SandboxError, Scope.Scope> =>
  pool.within(
    spawnedFrom(
      Effect.flatMap(pool.start(command, options), ({ sandbox, started }) => begunOf(sandbox, started, noEnds))
    )
  )

/** Starts a program in a sandbox of a pool, to be talked to while it runs; see `spawn`. */
export const spawn = (
  pool: Pool,
  command: ReadonlyArray<string>,
  options: ProgramOptions = {}
): Effect.Effect<Process, SandboxError, Scope.Scope> =>
  Effect.map(spawnWith(pool, command, options), ({ process }) => process)
