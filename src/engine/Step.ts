/**
 * A step: a header of plain data, an Effect that does it, and, if that is possible, an Effect that undoes it.
 *
 * The header can't drift from the effect: `make` refuses a `run` that uses a service which `requires` does not name, or
 * whose result is not what `provides` promises.
 *
 * **Example** (A step that needs what an earlier one provides)
 *
 * ```ts
 * import * as Context from "effect/Context"
 * import * as Effect from "effect/Effect"
 * import * as Step from "runfx/engine/Step"
 * import { sys } from "runfx/native/Kernel"
 *
 * class Name extends Context.Service<Name, string>()("Name") {}
 *
 * const setHostname = Step.make("setHostname", {
 *   doc: "name the container",
 *   calls: ["sethostname"],
 *   requires: [Name],
 *   reversal: "irreversible",
 *   run: Effect.flatMap(Name, (name) => sys.sethostname({ name }))
 * })
 * ```
 *
 * @category steps
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Errno } from "../native/Errno.ts"
import type { CallName, Kernel, SyscallError } from "../native/Kernel.ts"
import { undoing } from "./Events.ts"

/**
 * What a failure after this step means for what it did.
 *
 * - `compensated`: `undo`, or what `run` registered with {@link onRollback}, undoes it
 * - `harmless`: nothing outside the process was changed, so nothing is to be undone
 * - `irreversible`: it can't be undone in place (a changed uid, an entered namespace): the process must report and exit,
 *   and the process that started it removes what is left
 * - `terminal`: the program is replaced or has ended; nothing may follow
 *
 * @category models
 */
export type Reversal = "compensated" | "harmless" | "irreversible" | "terminal"

/**
 * A service key with a literal name, as `class X extends Context.Service<X, Shape>()("name") {}` makes them.
 *
 * @category models
 */
export type Key = Context.Key<any, any> & { readonly key: string }

/**
 * The services that keys stand for, as they appear in the requirements of an Effect.
 *
 * @category models
 */
export type Identifier<K> = K extends Context.Key<infer I, any> ? I : never

/**
 * The value of a key.
 *
 * @category models
 */
export type Shape<K> = K extends Context.Key<any, infer S> ? S : never

/**
 * What a terminal step provides, for the compiler only: a step after it does not compile.
 *
 * @category models
 */
export interface Terminal {
  readonly key: "~terminal"
}

/** Registers compensations while a step runs; the engine provides it. See {@link onRollback}. */
export class Rollback extends Context.Service<Rollback, {
  readonly add: (undo: Effect.Effect<void, unknown, never>) => void
}>()("runfx/Step/Rollback") {}

/**
 * A step.
 *
 * - `Name`: its literal name, by which edits find it
 * - `Requires`: keys of what earlier steps, or the inputs of the pipeline, must provide
 * - `Provides`: key of what it hands to later steps
 * - `E`: what it can fail with
 *
 * @category models
 */
export interface Step<out Name extends string, out Requires, out Provides, out E> extends Any {
  readonly "~requires"?: Requires
  readonly "~provides"?: Provides
  readonly "~error"?: E
  readonly name: Name
}

/**
 * A step without its types, as in a pipeline that is assembled from data.
 *
 * @category models
 */
export interface Any {
  readonly name: string
  /** What it does, in a line. */
  readonly doc: string
  /** Every kernel call that `run` and `undo` may make. */
  readonly calls: ReadonlyArray<CallName>
  readonly requires: ReadonlyArray<string>
  readonly provides: string | undefined
  readonly reversal: Reversal
  /** What an operator can do about an errno of this step. */
  readonly advice: Readonly<Partial<Record<Errno, string>>>
  /** The key that it provides, and those that it requires. */
  readonly key: Key | undefined
  readonly keys: ReadonlyArray<Key>
  readonly run: Effect.Effect<unknown, unknown, any>
  /** Whether an interruption waits until the step is done. */
  readonly atOnce: boolean
  /** Whether it may run ahead of the process that makes its calls. */
  readonly replayable: boolean
  /** Whether its calls may be copied from an earlier run with the same inputs. */
  readonly deterministic: boolean
  readonly undo: ((result: never) => Effect.Effect<void, unknown, any>) | undefined
}

/**
 * The literal name of a step.
 *
 * @category models
 */
export type Name<S> = S extends Step<infer N, any, any, any> ? N : never
/**
 * The keys that a step requires.
 *
 * @category models
 */
export type Requires<S> = S extends Step<any, infer R, any, any> ? R : never
/**
 * The key that a step provides; `never` for none.
 *
 * @category models
 */
export type Provides<S> = S extends Step<any, any, infer P, any> ? P : never
/**
 * What a step can fail with.
 *
 * @category models
 */
export type Error<S> = S extends Step<any, any, any, infer E> ? E : never

type Undeclared<R, Req extends ReadonlyArray<Key>> = Exclude<R, Identifier<Req[number]> | Kernel | Rollback>

/** Whether a type is `unknown`, as all of a value that is no Effect. */
type IsUnknown<A> = unknown extends A ? 0 extends 1 & A ? false : true : false

type DeclaredOnly<R, Req extends ReadonlyArray<Key>> = [Undeclared<R, Req>] extends [never] ? unknown
  : IsUnknown<R> extends true ? unknown
  : { readonly "uses a service that `requires` does not name": Undeclared<R, Req> }

type Promised<A, P> = [P] extends [never] ? unknown
  : [A] extends [Shape<P>] ? unknown
  : { readonly "the result is not what `provides` promises": Shape<P> }

/** The sentence that the compiler prints if `undo` is missing. */
interface Lacks<_Why extends string> {
  readonly undo: unknown
}

/** A compensated step needs `undo`, unless `run` registers compensations itself; no other step has one. */
type TakenBack<R, Rev> = [Rev] extends ["compensated"] ? Rollback extends R ? unknown
  : Lacks<"a step that is compensated has an `undo`, or registers what takes it back with `Step.onRollback`">
  : "compensated" extends Rev ? unknown
  : { readonly undo?: "a step that has an `undo` is compensated: say so in `reversal`" }

/**
 * What {@link make} takes besides the name.
 *
 * @category models
 */
export interface Options<A, E, R, Req extends ReadonlyArray<Key>, P extends Key, Rev extends Reversal> {
  readonly doc: string
  readonly calls: ReadonlyArray<CallName>
  /** Keys of the services that `run` and `undo` use, apart from the kernel. */
  readonly requires?: Req
  /** Key of the service that the result of `run` becomes. */
  readonly provides?: P
  readonly reversal: Rev
  readonly advice?: Readonly<Partial<Record<Errno, string>>>
  readonly run: Effect.Effect<A, E, R> & DeclaredOnly<R, Req> & Promised<A, P>
  /** An interruption waits until the step is done, because half of it could not be undone. `false` if absent. */
  readonly atOnce?: boolean
  /**
   * `run` only makes calls, and with the same answers it makes the same calls and has the same result. So it may run ahead
   * of the process that makes the calls. `false` if absent. See `native/Ahead.ts`.
   */
  readonly replayable?: boolean
  /**
   * As `replayable`, and more: what it does depends on nothing but the facts that it requires and the answers to its calls. So
   * when it has run with the same facts before, its calls are copied from then, and it does not run again while their answers
   * are the same. `false` if absent.
   *
   * @since 0.3.0
   */
  readonly deterministic?: boolean
  /** Undoes what `run` did, with its result. Runs uninterruptibly after a later step has failed. */
  readonly undo?: (result: NoInfer<A>) => Effect.Effect<void, SyscallError, Identifier<Req[number]> | Kernel>
}

/**
 * Makes a step.
 *
 * A step that makes several things registers the compensation of each as soon as it exists, with {@link onRollback}, so
 * that a failure half-way undoes the first half; a step that does one thing has `undo`.
 *
 * If `undo` takes the result, write `run` as `Effect.gen(…)`, as a pipe, or as a constant. If `run` is a bare call
 * (`Effect.map(x, f)`), TypeScript types the parameter of `undo` as `unknown`, before it knows the result.
 *
 * @category constructors
 */
export const make = <
  const N extends string,
  A,
  E,
  R,
  const Req extends ReadonlyArray<Key> = [],
  P extends Key = never,
  const Rev extends Reversal = Reversal
>(
  name: N,
  options: Options<A, E, R, Req, P, Rev> & TakenBack<R, Rev>
): Step<N, Req[number], [Rev] extends ["terminal"] ? Terminal : P, E> => ({
  name,
  doc: options.doc,
  calls: options.calls,
  requires: (options.requires ?? []).map((key) => key.key),
  provides: options.provides?.key,
  reversal: options.reversal,
  advice: options.advice ?? {},
  atOnce: options.atOnce ?? false,
  replayable: options.replayable ?? options.deterministic ?? false,
  deterministic: options.deterministic ?? false,
  key: options.provides,
  keys: options.requires ?? [],
  run: options.run as Any["run"],
  undo: options.undo as Any["undo"]
})

/**
 * Registers the compensation of what a step has just done: it runs, in reverse order of registration, when this step or
 * a later one fails or is interrupted.
 *
 * **Example** (Several interfaces, each undone by itself)
 *
 * ```ts
 * const createLinks = Effect.forEach(names, (name) =>
 *   sys.rtnetlink({ request: { _tag: "BridgeAdd", name } }).pipe(
 *     Effect.andThen(Step.onRollback(sys.rtnetlink({ request: { _tag: "LinkDelete", link: name } })))
 *   ))
 * ```
 */
export const onRollback = <A, E, R>(undo: Effect.Effect<A, E, R>): Effect.Effect<void, never, R | Rollback> =>
  Effect.contextWith((context: Context.Context<R | Rollback>) =>
    Effect.sync(() => Context.get(context, Rollback).add(Effect.asVoid(Effect.provideContext(undo, undoing(context)))))
  )
