/**
 * Whether changes fit a pipeline, for the compiler: the steps that they name are there, and no name is used twice.
 *
 * @category checks
 * @since 0.2.0
 */
import type * as Step from "../Step.ts"
import type { After, Applied, Before, Changes, Edited, Instead, Last, Move, Swap, When } from "./changes.ts"
import type { Any, Names, Steps } from "./Definition.ts"
import type { Literal, Twice } from "./rules.ts"

type NamesOf<S extends Steps> = Step.Name<S[number]>

/** What is left of two words without their common beginning. */
type Tails<A extends string, B extends string> = A extends `${infer H}${infer T}`
  ? B extends `${H}${infer U}` ? Tails<T, U> : readonly [A, B]
  : readonly [A, B]

type Rest<A> = A extends `${string}${infer T}` ? T : never

type Swapped<A> = A extends `${infer H}${infer I}${infer T}` ? `${I}${H}${T}` : never

/** The known words that differ from a word by one letter: added, missing, changed or swapped. */
type Near<N extends string, Known extends string> = Known extends string
  ? Tails<Lowercase<N>, Lowercase<Known>> extends readonly [infer A, infer B]
    ? A extends B | Rest<B> | Swapped<B> ? Known
    : Rest<A> extends B | Rest<B> ? Known
    : never
  : never
  : never

type Missing<N, Known> = Exclude<Literal<N>, Known> extends infer M extends string
  ? M extends string ? string extends Known ? never
    : [Near<M, Extract<Known, string>>] extends [never] ? `there is no step "${M}"`
    : `there is no step "${M}": did you mean "${Near<M, Extract<Known, string>>}"?`
  : never
  : never

type Repeated<Put extends Steps, Known> = `step "${Extract<Literal<NamesOf<Put>>, Known> | Twice<Put>}" stands twice`

type MisfitOf<C, Known> = C extends Before<infer N, infer Put> | After<infer N, infer Put>
  ? Missing<N, Known> | Repeated<Put, Known>
  : C extends Instead<infer N, infer Put> ? Missing<N, Known> | Repeated<Put, Exclude<Known, N>>
  : C extends Last<infer Put> ? Repeated<Put, Known>
  : C extends Move<infer N, any, infer M> | Swap<infer N, infer M> ? Missing<N | M, Known>
  : C extends When<infer D> ? Misfits<D, Known>
  : never

type Behind<C, Known> = C extends Before<any, infer Put> | After<any, infer Put> | Last<infer Put>
  ? Known | Literal<NamesOf<Put>>
  : C extends Instead<infer N, infer Put> ? Exclude<Known, N> | Literal<NamesOf<Put>>
  : C extends When<infer D> ? Known | BehindAll<D, Known>
  : Known

type BehindAll<C extends Changes, Known> = C extends readonly [infer D, ...infer Rest extends Changes]
  ? BehindAll<Rest, Behind<D, Known>>
  : Known

/** What does not fit, as sentences; `never` if everything fits. Only names are checked. */
type Misfits<C extends Changes, Known, Found = never> = C extends readonly [infer D, ...infer Rest extends Changes]
  ? Misfits<Rest, Behind<D, Known>, Found | MisfitOf<D, Known>>
  : Found

type MisfitsIn<P, C extends Changes> = P extends Any ? Misfits<C, Names<P>> : never

/** A pipeline that can't be: the compiler has refused the edit that would make it. */
interface Unfit<out Sentence> {
  readonly unfit: Sentence
}

/** What does not fit of the edits that have made a pipeline; `never` for one that was not edited. */
export type Misfit<P> = P extends Unfit<infer Sentence> ? Sentence
  : P extends Edited<infer Q, infer C> ? MisfitsIn<Q, C>
  : never

/** The pipeline, if it can be edited so. Otherwise the sentence about what does not fit, a type that no pipeline has. */
export type Editable<P, C extends Changes> = [MisfitsIn<P, C>] extends [never] ? P : MisfitsIn<P, C>

/**
 * The result of edits; with the sentence about what does not fit, if something does not. In a pipe, the compiler refuses the
 * edit as a function: the first line of its message has what the edit would return, not what it accepts.
 */
export type AppliedIfFit<P, C extends Changes> = [MisfitsIn<P, C>] extends [never] ? Applied<P, C>
  : Unfit<MisfitsIn<P, C>> & Applied<P, C>
