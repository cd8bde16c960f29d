/**
 * Running ahead: the effect of a step continues before the process that makes its calls has made them.
 *
 * Most of the time, the result of a call is known in advance: nothing, the lowest free descriptor, a file of the expected
 * type. So the effect gets that result and continues, while its calls are collected in a list. The process makes all calls
 * of the list, one after the other, as long as each returns what was expected. If one does not, the process stops there, and
 * the effect runs again from its start, with the answers that its calls have got. So an effect that runs ahead makes the
 * same calls, and ends in the same way, as one that waits for every answer. It only saves the waiting.
 *
 * Such an effect must meet two conditions: with the same answers it makes the same calls, and it does nothing but make
 * calls. Some kernels can't run ahead: the model, a recorder, one that injects faults. On these, everything in this module
 * works by plain calls.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Errno } from "./Errno.ts"
import type { AnyFd } from "./Handle.ts"
import { type Call, Kernel, orOn, type Result, type SyscallError } from "./Kernel.ts"

/** What a call will most likely return. If it is unseen, the effect only needs to know that the call has not failed. */
export type Guess =
  | { readonly _tag: "Fails"; readonly code: Errno }
  | { readonly _tag: "Gives"; readonly value: number | string }
  | { readonly _tag: "Bits"; readonly mask: number; readonly value: number }
  | { readonly _tag: "Unseen" }

/** When something began and ended, in milliseconds. */
export interface Times {
  readonly began: number
  readonly ended: number
}

/** A call that was made, and its outcome. */
export interface Settled {
  readonly call: Call
  readonly exit: Exit.Exit<unknown, SyscallError> | undefined
}

/**
 * What a part reads besides the answers to its calls.
 *
 * @since 0.3.0
 */
export interface Inputs {
  /** Whose calls they are, in every run. */
  readonly of: object
  /** If they are equal to those of an earlier run, its {@link parameter}s as they are in this run. */
  readonly match: (known: unknown) => ReadonlyArray<string> | undefined
}

/**
 * How the calls of a part are kept for later processes.
 *
 * @since 0.3.0
 */
export interface Keeping {
  readonly of: object
  /** What it has read, and its result, for runs with the same inputs; `undefined` if they can't be known. */
  readonly known: (result: unknown) => { readonly inputs: unknown; readonly result: unknown } | undefined
  /** The {@link parameter}s that it has read so far. */
  readonly parameters: ReadonlyArray<string>
}

/** Steps of one process that run ahead, one after the other. */
export interface Journey {
  /**
   * The result of the next part, if it has run for an earlier process with the same inputs: its calls are copied from then. It
   * runs only if one of them returns something else this time.
   *
   * @since 0.3.0
   */
  readonly copied: (
    name: string,
    inputs: Inputs,
    self: () => Effect.Effect<unknown, unknown>
  ) => Exit.Exit<unknown> | undefined
  /**
   * Whether the calls of the next part should be kept, if it runs.
   *
   * @since 0.3.0
   */
  readonly keeps: (of: object) => boolean
  /** Runs the next part, by its name. Its outcome is certain only after {@link Journey.settle}. */
  readonly part: <A, E, R>(
    name: string,
    self: Effect.Effect<A, E, R>,
    keeping?: Keeping
  ) => Effect.Effect<Exit.Exit<A, E>, never, R>
  /** Whether a guess was wrong, so that the last part's result has no meaning. */
  readonly isLost: boolean
  /** What the last part continues with if the process has become a program in it; known when the part has run. */
  readonly left: Effect.Effect<never> | undefined
  /** Has all calls made. If a guess was wrong, returns the number (from 0) of the first part that must run again. */
  readonly settle: Effect.Effect<number | undefined>
  /** How many parts, from the first, have certainly been made. If {@link Journey.settle} fails, nobody knows of the others. */
  readonly certain: number
  /** When a settled part began and ended, in milliseconds, by the clock of the process (`CLOCK_MONOTONIC`). */
  readonly times: (part: number) => Times | undefined
  /** Keeps the calls of settled parts, for {@link Journey.calls}. */
  readonly keep: () => void
  /** The calls of a settled part, in order; none if they are not kept. */
  readonly calls: (part: number) => ReadonlyArray<Settled>
  /** Makes a call of the running part, or assumes its result. */
  readonly invoke: <C extends Call>(
    call: C,
    plain: () => Effect.Effect<Result<C>, SyscallError>
  ) => Effect.Effect<Result<C>, SyscallError>
  /** Runs an effect within the running part. Its calls will most likely have this result. */
  readonly guessing: <A, E, R>(guess: Guess, self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Runs an effect without the journey, once: if the part runs again, it gets the effect's first result. */
  readonly once: <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** The next call may fail with these codes. If it does, the calls up to the call of the returned function are left out. */
  readonly enter: (codes: readonly [Errno, Errno]) => () => void
}

/** The journey whose part a fiber runs. */
export const Current = Context.Reference<Journey | undefined>("runfx/native/Ahead", { defaultValue: () => undefined })

const able = new WeakMap<object, Effect.Effect<Journey | undefined>>()

/**
 * Registers how a kernel begins a journey for the fiber's process. A kernel that wraps it can't run ahead, because it is a
 * different object.
 */
export const provide = (kernel: Kernel["Service"], begin: Effect.Effect<Journey | undefined>): void =>
  void able.set(kernel, begin)

/** Registers that a wrapper of a kernel can run ahead as the kernel does: it passes every call on unchanged, or makes none. */
export const provideSame = (kernel: Kernel["Service"], wrapper: Kernel["Service"]): void => {
  const begin = able.get(kernel)
  if (begin !== undefined) able.set(wrapper, begin)
}

/** Reads a parameter for a step that is watched, and notes that. */
export const Parameters = Context.Reference<
  (<I, S>(key: Context.Key<I, S>, read: (fact: S) => string) => string) | undefined
>(
  "runfx/native/Ahead/Parameters",
  { defaultValue: () => undefined }
)

/**
 * Reads a text of a fact that differs from container to container, as a path does that has the id in it. A deterministic step
 * whose calls are copied may have another text there, so it must do nothing but pass the text on to one call, as it is.
 *
 * @since 0.3.0
 */
export const parameter = <I, S>(
  key: Context.Key<I, S>,
  read: (fact: S) => string
): Effect.Effect<string, never, I> =>
  Effect.contextWith((context: Context.Context<I>) =>
    Effect.sync(() => Context.get(context, Parameters)?.(key, read) ?? read(Context.get(context, key)))
  )

/** A journey for the fiber's process; `undefined` if the kernel has none. */
export const begin: Effect.Effect<Journey | undefined> = Effect.contextWith((context: Context.Context<never>) => {
  const kernel = Context.getOrUndefined(context as Context.Context<Kernel>, Kernel)
  return (kernel === undefined ? undefined : able.get(kernel)) ?? Effect.succeed(undefined)
})

const guessing = (guess: Guess) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) => Context.get(context, Current)?.guessing(guess, self) ?? self)

/** A call that will most likely fail, with this code. */
export const likelyFails = (code: Errno) => guessing({ _tag: "Fails", code })

/** A call that will most likely return this number, or this text. */
export const likely = (value: number | string) => guessing({ _tag: "Gives", value })

/**
 * A call that returns a number which most likely has these bits within the mask. While it has, the other bits may be
 * unknown.
 */
export const likelyBits = (mask: number, value: number) => guessing({ _tag: "Bits", mask, value })

/** A call whose result is not used. */
export const unseen = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<void, E, R> =>
  Effect.asVoid(guessing({ _tag: "Unseen" })(self))

/** An effect that never runs twice and waits for each answer. For a user's own effect, which may do more than make calls. */
export const once = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) => Context.get(context, Current)?.once(self) ?? self)

/**
 * Opens something and uses it; does nothing if opening fails with one of two codes. `use` must close what it opens and must
 * keep nothing, because it may run although there was nothing to open.
 */
export const ifOpen = <E, R, E2, R2>(
  codes: readonly [Errno, Errno],
  open: Effect.Effect<number, E | SyscallError, R>,
  use: (fd: AnyFd) => Effect.Effect<void, E2, R2>
): Effect.Effect<void, E | E2 | SyscallError, R | R2> =>
  Effect.contextWith((context: Context.Context<R | R2>) => {
    const leave = Context.get(context, Current)?.enter(codes)
    const used = Effect.flatMap(
      orOn(codes, undefined)(open),
      (fd): Effect.Effect<void, E2, R2> => fd === undefined ? Effect.void : use(fd)
    )
    return leave === undefined ? used : Effect.tap(used, () => Effect.sync(leave))
  })

// -- results that are looked at ---------------------------------------------------------------------------------------

/** Asks a result that has not come yet whether a field has a value. */
export const ask = Symbol("runfx/native/Ahead/ask")
/** Asks whether a field is the same in two results, of which one has not come yet. */
export const compare = Symbol("runfx/native/Ahead/compare")

/**
 * A result that may not have come yet. Reading a field waits for the process to make its list. A question does not wait:
 * until then, its answer is `likely`.
 */
export interface Later<A> {
  readonly [ask]: <K extends keyof A>(field: K, value: A[K], likely: Likely, mask?: number) => boolean
  readonly [compare]: <K extends keyof A>(field: K, other: A, likely: boolean) => boolean
}

const isLater = <A>(value: unknown): value is Later<A> => typeof value === "object" && value !== null && ask in value

const masked = (value: unknown, mask: number | undefined): unknown => mask === undefined ? value : Number(value) & mask

/** Whether two values of a field are the same. */
const isEqual = (one: unknown, other: unknown): boolean =>
  one === other ||
  typeof one === "object" && typeof other === "object" && one !== null && other !== null &&
    Object.entries(one).every(([key, value]) => (other as Readonly<Record<string, unknown>>)[key] === value)

/** The likely answer to a question. */
export type Likely = boolean | "unknown"

/** Options of a question. */
export interface Asking {
  /** The likely answer; `true` if absent. */
  readonly likely?: Likely
  /** Compare only these bits of the field. */
  readonly mask?: number
}

/** Whether a field of a result has a value. If the result has not come yet, the likely answer is assumed. */
export const is = <A extends object, K extends keyof A>(
  result: A,
  field: K,
  value: A[K],
  { likely = true, mask }: Asking = {}
): boolean =>
  isLater<A>(result)
    ? result[ask](field, value, likely, mask)
    : isEqual(masked(result[field], mask), masked(value, mask))

/** Whether a field has the same value in two results. */
export const isSame = <A extends object, K extends keyof A>(
  one: A,
  other: A,
  field: K,
  { likely = true }: { readonly likely?: boolean } = {}
): boolean => {
  if (isLater<A>(one)) return one[compare](field, other, likely)
  if (isLater<A>(other)) return other[compare](field, one, likely)
  return isEqual(one[field], other[field])
}
