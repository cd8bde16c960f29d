/**
 * Edits of pipelines.
 *
 * An edit can be applied at once, or be made first and applied later: an {@link Edit} is a list of changes that is a
 * function too. It fits every pipeline that has the steps which it names.
 *
 * @category edits
 * @since 0.1.0
 */
import { dual } from "effect/Function"
import { type Pipeable, Prototype } from "effect/Pipeable"
import type * as Step from "../Step.ts"
import {
  type After,
  type Applied,
  applyTo,
  type Before,
  type Change,
  type Changes,
  type Instead,
  type Last,
  type Move,
  type Swap,
  type When
} from "./changes.ts"
import { type Any, type Keys, type Names, of, type Pipeline, type Steps } from "./Definition.ts"
import type { AppliedIfFit, Editable } from "./fits.ts"
import type { KeyName } from "./rules.ts"

/**
 * An edit that is not applied yet: a function of any pipeline that has the steps which it names. Its changes are data.
 *
 * **Example** (One edit, for two inits)
 *
 * ```ts
 * const quiet = Pipeline.compose(Pipeline.insertAfter("setupRlimits", lowerPriority), Pipeline.remove("sessionKeyring"))
 * const mine = [quiet(standard), quiet(userns)]
 * ```
 *
 * @category models
 * @since 0.2.0
 */
export interface Edit<out C extends Changes> extends Pipeable {
  <P extends Any>(self: Editable<P, C>): AppliedIfFit<P, C>
  readonly changes: C
}

const editOf = <C extends Changes>(changes: C): Edit<C> => {
  const edit = (self: Any) => applyTo(self, changes)
  return Object.assign(edit, { changes, pipe: Prototype.pipe }) as never
}

/** Makes an edit of one change, and applies it if there is a pipeline. */
const edit =
  (count: number, change: (...rest: ReadonlyArray<any>) => Change): any => (...all: ReadonlyArray<unknown>) =>
    all.length > count ? applyTo(all[0] as Any, [change(...all.slice(1))]) : editOf([change(...all)])

/** The names that are in all pipelines of a union. */
type CommonNames<P> = (P extends Any ? (name: Names<P>) => void : never) extends
  (name: infer N extends string) => void ? N : never

/** A name of a step. An editor suggests those of the pipeline. */
type NameIn<P> = CommonNames<P> | (string & {})

/**
 * Where a step is moved to.
 *
 * @category models
 * @since 0.2.0
 */
export type Place<N extends string> = { readonly before: N } | { readonly after: N }

type SideOf<W> = W extends { readonly before: string } ? "before" : "after"
type AtOf<W> = W extends { readonly before: infer N extends string } | { readonly after: infer N extends string } ? N
  : never

/**
 * Puts a step before another.
 *
 * Throws {@link InvalidPipelineError} if there is no such name, which can happen in untyped code only.
 *
 * **Example** (At once, in a pipe, and for later)
 *
 * ```ts
 * const one = Pipeline.insertBefore(standard, "setHostname", announce)
 * const same = standard.pipe(Pipeline.insertBefore("setHostname", announce))
 * const later = Pipeline.insertBefore("setHostname", announce)
 * ```
 */
export const insertBefore: {
  <const N extends string, X extends Step.Any>(name: N, step: X): Edit<[Before<N, [X]>]>
  <P extends Any, N extends NameIn<P>, X extends Step.Any>(
    self: Editable<P, [Before<N, [X]>]>,
    name: N,
    step: X
  ): Applied<P, [Before<N, [X]>]>
} = edit(2, (at: string, step: Step.Any): Change => ({ _tag: "Before", at, put: [step] }))

/** Puts a step after another. As {@link insertBefore}. */
export const insertAfter: {
  <const N extends string, X extends Step.Any>(name: N, step: X): Edit<[After<N, [X]>]>
  <P extends Any, N extends NameIn<P>, X extends Step.Any>(
    self: Editable<P, [After<N, [X]>]>,
    name: N,
    step: X
  ): Applied<P, [After<N, [X]>]>
} = edit(2, (at: string, step: Step.Any): Change => ({ _tag: "After", at, put: [step] }))

/**
 * Puts several steps before another, in their order. As {@link insertBefore}.
 *
 * **Example** (Two steps with a fact between them)
 *
 * ```ts
 * const announced = Pipeline.insertAllBefore(standard, "findProgram", [readBanner, printBanner])
 * ```
 *
 * @since 0.2.0
 */
export const insertAllBefore: {
  <const N extends string, const X extends Steps>(name: N, steps: X): Edit<[Before<N, X>]>
  <P extends Any, N extends NameIn<P>, const X extends Steps>(
    self: Editable<P, [Before<N, X>]>,
    name: N,
    steps: X
  ): Applied<P, [Before<N, X>]>
} = edit(2, (at: string, put: Steps): Change => ({ _tag: "Before", at, put }))

/**
 * Puts several steps after another, in their order. As {@link insertAllBefore}.
 *
 * @since 0.2.0
 */
export const insertAllAfter: {
  <const N extends string, const X extends Steps>(name: N, steps: X): Edit<[After<N, X>]>
  <P extends Any, N extends NameIn<P>, const X extends Steps>(
    self: Editable<P, [After<N, X>]>,
    name: N,
    steps: X
  ): Applied<P, [After<N, X>]>
} = edit(2, (at: string, put: Steps): Change => ({ _tag: "After", at, put }))

/**
 * Replaces a step by another. As {@link insertBefore}.
 *
 * @since 0.2.0
 */
export const replace: {
  <const N extends string, X extends Step.Any>(name: N, step: X): Edit<[Instead<N, [X]>]>
  <P extends Any, N extends NameIn<P>, X extends Step.Any>(
    self: Editable<P, [Instead<N, [X]>]>,
    name: N,
    step: X
  ): Applied<P, [Instead<N, [X]>]>
} = edit(2, (at: string, step: Step.Any): Change => ({ _tag: "Instead", at, put: [step] }))

/**
 * Removes a step. As {@link insertBefore}.
 *
 * @since 0.2.0
 */
export const remove: {
  <const N extends string>(name: N): Edit<[Instead<N, []>]>
  <P extends Any, N extends NameIn<P>>(self: Editable<P, [Instead<N, []>]>, name: N): Applied<P, [Instead<N, []>]>
} = edit(1, (at: string): Change => ({ _tag: "Instead", at, put: [] }))

/**
 * Puts a step at the end. As {@link insertBefore}.
 *
 * @since 0.2.0
 */
export const append: {
  <X extends Step.Any>(step: X): Edit<[Last<[X]>]>
  <P extends Any, X extends Step.Any>(self: Editable<P, [Last<[X]>]>, step: X): Applied<P, [Last<[X]>]>
} = edit(1, (step: Step.Any): Change => ({ _tag: "Last", put: [step] }))

/**
 * Moves a step next to another. As {@link insertBefore}.
 *
 * **Example** (The host name as early as it may be set)
 *
 * ```ts
 * const early = Pipeline.move(standard, "setHostname", { after: "startSession" })
 * ```
 *
 * @since 0.2.0
 */
export const move: {
  <const N extends string, const W extends Place<string>>(
    name: N,
    place: W
  ): Edit<[Move<N, SideOf<W>, AtOf<W>>]>
  <P extends Any, N extends NameIn<P>, const W extends Place<NameIn<P>>>(
    self: Editable<P, [Move<N, SideOf<W>, AtOf<W>>]>,
    name: N,
    place: W
  ): Applied<P, [Move<N, SideOf<W>, AtOf<W>>]>
} = edit(2, (step: string, place: Place<string>): Change =>
  "before" in place
    ? { _tag: "Move", step, side: "before", at: place.before }
    : { _tag: "Move", step, side: "after", at: place.after })

/**
 * Exchanges two steps. As {@link insertBefore}.
 *
 * @since 0.2.0
 */
export const swap: {
  <const N extends string, const M extends string>(name: N, other: M): Edit<[Swap<N, M>]>
  <P extends Any, N extends NameIn<P>, M extends NameIn<P>>(
    self: Editable<P, [Swap<N, M>]>,
    name: N,
    other: M
  ): Applied<P, [Swap<N, M>]>
} = edit(2, (step: string, at: string): Change => ({ _tag: "Swap", step, at }))

/**
 * Makes an edit if a condition holds. The compiler knows both outcomes, and accepts the pipeline only if both can run.
 *
 * **Example** (A parameter and a condition)
 *
 * ```ts
 * const forJob = (job: Job) =>
 *   Pipeline.compose(
 *     Pipeline.insertAfter("setScheduling", priority(job.priority)),
 *     Pipeline.when(job.traced, Pipeline.insertBefore("exec", attachTracer))
 *   )
 * ```
 *
 * @since 0.2.0
 */
export const when: {
  <C extends Changes>(condition: boolean, edit: Edit<C>): Edit<[When<C>]>
  <P extends Any, C extends Changes>(
    self: Editable<P, [When<C>]>,
    condition: boolean,
    edit: Edit<C>
  ): Applied<P, [When<C>]>
} = edit(2, (condition: boolean, { changes }: Edit<Changes>): Change => ({ _tag: "When", condition, changes }))

type ChangesOf<E> = E extends readonly [Edit<infer C>, ...infer Rest] ? [...C, ...ChangesOf<Rest>] : []

/**
 * Joins several edits into one, in their order.
 *
 * @since 0.2.0
 */
export const compose = <const E extends ReadonlyArray<{ readonly changes: Changes }>>(
  ...edits: E
): Edit<ChangesOf<E>> => editOf(edits.flatMap(({ changes }) => changes)) as never

// -- two pipelines in one ---------------------------------------------------------------------------------------------

type Filled<I extends Keys, Have, Done extends Keys = []> = I extends
  readonly [infer K extends Step.Key, ...infer Rest extends Keys]
  ? Filled<Rest, Have, K["key"] extends Have ? Done : [...Done, K]>
  : Done

type Given<P extends Any> = P["inputs"][number]["key"] | KeyName<Step.Provides<P["steps"][number]>>

/**
 * Two pipelines in one.
 *
 * @category models
 * @since 0.2.0
 */
export interface Concatenated<out P extends Any, out Q extends Any>
  extends Pipeline<[...P["inputs"], ...Filled<Q["inputs"], Given<P>>], [...P["steps"], ...Q["steps"]]>
{}

/**
 * Appends the steps of another pipeline. The result has the name of the first. Its inputs are those of both, without what
 * the first one provides to the second.
 *
 * **Example** (An end that several pipelines share)
 *
 * ```ts
 * const mine = Pipeline.concat(mySetup, finalize)
 * ```
 *
 * @since 0.2.0
 */
export const concat: {
  <Q extends Any>(other: Q): <P extends Any>(self: P) => Concatenated<P, Q>
  <P extends Any, Q extends Any>(self: P, other: Q): Concatenated<P, Q>
} = dual(2, (self: Any, other: Any): Any => {
  const given = new Set([...self.inputs.map(({ key }) => key), ...self.steps.map(({ provides }) => provides)])
  return of({
    name: self.name,
    doc: self.doc,
    inputs: [...self.inputs, ...other.inputs.filter(({ key }) => !given.has(key))],
    steps: [...self.steps, ...other.steps]
  })
})
