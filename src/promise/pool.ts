/**
 * Pools of sandboxes with promises.
 *
 * @category pools
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Exits from "effect/Exit"
import * as Scope from "effect/Scope"
import process from "node:process"
import * as Pools from "../sandbox/Pool.ts"
import type { SandboxError } from "./errors.ts"
import {
  type Command,
  errorOf,
  type ExecOptions,
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
import { type Description, made, type Sandbox } from "./sandbox.ts"
import { type Run, taggable } from "./taggable.ts"

/**
 * What a pool reports about its sandboxes.
 *
 * @category models
 */
export type PoolEvent =
  /** One is ready and waits; it took so many milliseconds to make. */
  | { readonly type: "ready"; readonly id: string; readonly milliseconds: number }
  /** One that waited can't be used any more: it died, or was killed or frozen. Another one replaces it. */
  | { readonly type: "broken"; readonly id: string; readonly error: SandboxError }
  /** One could not be made; the next try is after so many milliseconds. */
  | { readonly type: "failed"; readonly error: SandboxError; readonly retryAfter: number }

/**
 * The options of a pool.
 *
 * @category models
 */
export interface PoolOptions {
  /** How many sandboxes wait. */
  readonly size: number
  /** What each of them is, described or made; the safe default if absent. */
  readonly sandbox?: Sandbox | Description
  /** Whether each of their programs has a terminal, and of which size; as of `spawn`. */
  readonly terminal?: NonNullable<TalkOptions["terminal"]>
  /** How many are made at the same time; 2 if absent. */
  readonly concurrency?: number
  /** Is told of each sandbox that is ready, could not be made, or has broken while it waited. */
  readonly onEvent?: (event: PoolEvent) => void
  /** Directory of the states of all containers; as the command has it if absent. */
  readonly stateRoot?: string
}

/**
 * The options of one program of a pool; its sandbox is made already.
 *
 * @category models
 */
export interface PoolRunOptions
  extends Pick<Options, "input" | "overflow" | "signal">, Pick<ExecOptions, "env" | "cwd">
{
  /** The size of its terminal, if the pool's programs have one; that of the pool if absent. */
  readonly size?: { readonly rows: number; readonly columns: number }
}

/**
 * Sandboxes that wait for their programs.
 *
 * @category models
 */
export interface Pool extends AsyncDisposable {
  readonly size: number
  /** How many wait now. */
  readonly waiting: number
  /** Done when as many wait as there should be; rejects if one can't be made until then. */
  readonly full: () => Promise<void>
  /** Runs a program to its end, in a sandbox of its own that was never used before. */
  readonly run: Run<PoolRunOptions>
  /** Starts a program, to be talked to while it runs. */
  readonly spawn: (command: Command, options?: Omit<PoolRunOptions, "input" | "overflow">) => Promise<Process>
  /** Ends all of its sandboxes, even those whose programs run; done when nothing of them is left. */
  readonly close: () => Promise<void>
}

const eventOf = (event: Pools.PoolEvent): PoolEvent => {
  switch (event._tag) {
    case "Ready":
      return { type: "ready", id: event.id, milliseconds: event.milliseconds }
    case "Broken":
      return { type: "broken", id: event.id, error: errorOf(event.error) as SandboxError }
    case "Failed":
      return { type: "failed", error: errorOf(event.error) as SandboxError, retryAfter: event.retryAfter }
  }
}

const isSandbox = (value: Sandbox | Description): value is Sandbox => "description" in value

/** The pools that are open: one listener closes all, since Node would warn of a leak at eleven. */
const atExit = new Set<() => Promise<void>>()

const closeAll = (): void => {
  for (const close of atExit) void close()
}

/**
 * Makes a pool of sandboxes that wait for their programs: a program starts in a fraction of the time. Each sandbox is used once,
 * and another one is made in the background then.
 *
 * A pool does not keep the application from its end: if that has nothing else to do, the pool is closed.
 *
 * **Example** (A pool that serves requests)
 *
 * ```ts
 * await using sandboxes = await pool({ size: 4, sandbox: { limits: { time: "5 seconds" } } })
 * const { stdout } = await sandboxes.run(["wc", "-w"], { input: "four words in it" })
 * ```
 */
export const pool = async (options: PoolOptions): Promise<Pool> => {
  const { onEvent, sandbox, ...rest } = options
  const scope = Scope.makeUnsafe()
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => {
    atExit.delete(close)
    if (atExit.size === 0) process.off("beforeExit", closeAll)
    return closing ??= Effect.runPromise(Scope.close(scope, Exits.void))
  }
  const self = await promise(
    Pools.make({
      ...rest,
      ...(sandbox === undefined ? {} : { sandbox: made(isSandbox(sandbox) ? sandbox.description : sandbox) }),
      ...(onEvent === undefined ? {} : { onEvent: (event) => Effect.sync(() => onEvent(eventOf(event))) })
    }).pipe(Effect.provideService(Scope.Scope, scope), Effect.onError(() => Scope.close(scope, Exits.void)))
  )
  if (atExit.size === 0) process.on("beforeExit", closeAll)
  atExit.add(close)
  const run = (command: Command, { signal, ...options }: PoolRunOptions = {}): Promise<Result> =>
    promise(Effect.map(Pools.run(self, wordsOf(command), withStream(options)), withoutEvents), signal)
  return {
    size: self.size,
    get waiting() {
      return Effect.runSync(self.waiting)
    },
    full: () => promise(self.full),
    run: taggable(run),
    spawn: (command, options = {}) =>
      handed(Pools.spawnWith(self, wordsOf(command), withoutSignal(options)), options.signal),
    close,
    [Symbol.asyncDispose]: close
  }
}
