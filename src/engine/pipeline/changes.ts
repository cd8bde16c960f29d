/**
 * Changes of a pipeline as data, and their result: as a type for the compiler, and as a value.
 *
 * @category edits
 * @since 0.2.0
 */
import { nearest } from "../nearest.ts"
import { InvalidPipelineError } from "../PipelineError.ts"
import type * as Step from "../Step.ts"
import { type Any, of, type Pipeline, type Steps } from "./Definition.ts"

/** Puts steps before the step `at`. */
export interface Before<out N extends string, out Put extends Steps> {
  readonly _tag: "Before"
  readonly at: N
  readonly put: Put
}

/** Puts steps after the step `at`. */
export interface After<out N extends string, out Put extends Steps> {
  readonly _tag: "After"
  readonly at: N
  readonly put: Put
}

/** Replaces the step `at` by steps; by none removes it. */
export interface Instead<out N extends string, out Put extends Steps> {
  readonly _tag: "Instead"
  readonly at: N
  readonly put: Put
}

/** Puts steps at the end. */
export interface Last<out Put extends Steps> {
  readonly _tag: "Last"
  readonly put: Put
}

/** Moves the step `step` before or after the step `at`. */
export interface Move<out N extends string, out Side extends "before" | "after", out M extends string> {
  readonly _tag: "Move"
  readonly step: N
  readonly side: Side
  readonly at: M
}

/** Exchanges two steps. */
export interface Swap<out N extends string, out M extends string> {
  readonly _tag: "Swap"
  readonly step: N
  readonly at: M
}

/** Makes changes, or none. */
export interface When<out C extends Changes> {
  readonly _tag: "When"
  readonly condition: boolean
  readonly changes: C
}

/** A change of a pipeline, as data. */
export type Change =
  | Before<string, Steps>
  | After<string, Steps>
  | Instead<string, Steps>
  | Last<Steps>
  | Move<string, "before" | "after", string>
  | Swap<string, string>
  | When<Changes>

/** Changes in order, as a tuple. */
export type Changes = ReadonlyArray<Change>

// -- what a change makes of a list of steps, for the compiler ---------------------------------------------------------

// the result so far is a parameter, which makes this a tail call: the compiler follows other recursion only about 50 deep
type Splice<S extends Steps, N, Front extends Steps, Back extends Steps, Keep, Done extends Steps = []> = S extends
  readonly [infer H extends Step.Any, ...infer T extends Steps]
  ? Step.Name<H> extends N ? [...Done, ...Front, ...(Keep extends true ? [H] : []), ...Back, ...T]
  : Splice<T, N, Front, Back, Keep, [...Done, H]>
  : Done

type At<S extends Steps, N> = S extends readonly [infer H extends Step.Any, ...infer T extends Steps]
  ? Step.Name<H> extends N ? H : At<T, N>
  : never

type Exchanged<S extends Steps, N, M, A extends Step.Any, B extends Step.Any> = {
  readonly [K in keyof S]: Step.Name<S[K]> extends N ? B : Step.Name<S[K]> extends M ? A : S[K]
}

type Changed<S extends Steps, C> = C extends Before<infer N, infer Put> ? Splice<S, N, Put, [], true>
  : C extends After<infer N, infer Put> ? Splice<S, N, [], Put, true>
  : C extends Instead<infer N, infer Put> ? Splice<S, N, Put, [], false>
  : C extends Last<infer Put> ? [...S, ...Put]
  : C extends Move<infer N, infer Side, infer M> ? N extends M ? S
    : Side extends "before" ? Splice<Splice<S, N, [], [], false>, M, [At<S, N>], [], true>
    : Splice<Splice<S, N, [], [], false>, M, [], [At<S, N>], true>
  : C extends Swap<infer N, infer M> ? Exchanged<S, N, M, At<S, N>, At<S, M>>
  : C extends When<infer D> ? S | ChangedAll<S, D>
  : never

/** The steps after all changes. */
type ChangedAll<S extends Steps, C extends Changes> = C extends readonly [infer D, ...infer Rest extends Changes]
  ? ChangedAll<Extract<Changed<S, D>, Steps>, Rest>
  : S

/** A pipeline that was edited. */
export interface Edited<out P extends Any, out C extends Changes>
  extends Pipeline<P["inputs"], ChangedAll<P["steps"], C>>
{}

/**
 * The result of edits; a union for a union of pipelines. It is an interface, so that messages of the compiler stay short, and it
 * has all edits since the preset in one list. What the compiler infers of a pipeline that was not edited is any list at all.
 */
export type Applied<P, C extends Changes> = P extends Edited<infer Q, infer Before>
  ? Changes extends Before ? Edited<P, C> : Edited<Q, [...Before, ...C]>
  : P extends Any ? Edited<P, C>
  : never

// -- applied ----------------------------------------------------------------------------------------------------------

const indexOf = (pipeline: Any, steps: Steps, name: string): number => {
  const index = steps.findIndex((step) => step.name === name)
  if (index >= 0) return index
  const names = steps.map((step) => step.name)
  const near = nearest(name, names)
  const hint = near === undefined ? `; there are ${names.join(", ")}` : `: did you mean "${near}"?`
  throw new InvalidPipelineError({ pipeline: pipeline.name, problems: [`there is no step "${name}"${hint}`] })
}

const changed = (pipeline: Any, steps: Steps, change: Change): Steps => {
  const at = (name: string) => indexOf(pipeline, steps, name)
  switch (change._tag) {
    case "Before":
      return steps.toSpliced(at(change.at), 0, ...change.put)
    case "After":
      return steps.toSpliced(at(change.at) + 1, 0, ...change.put)
    case "Instead":
      return steps.toSpliced(at(change.at), 1, ...change.put)
    case "Last":
      return [...steps, ...change.put]
    case "Move": {
      const from = at(change.step)
      // a step that is moved next to itself stays
      if (at(change.at) === from) return steps
      const without = steps.toSpliced(from, 1)
      return without.toSpliced(
        indexOf(pipeline, without, change.at) + (change.side === "after" ? 1 : 0),
        0,
        steps[from]!
      )
    }
    case "Swap":
      return steps.with(at(change.step), steps[at(change.at)]!).with(at(change.at), steps[at(change.step)]!)
    case "When":
      return change.condition ? change.changes.reduce((done, next) => changed(pipeline, done, next), steps) : steps
  }
}

/**
 * Applies changes to a pipeline, one after the other. Throws {@link InvalidPipelineError} if a step that they name is not
 * there.
 */
export const applyTo = (self: Any, changes: Changes): Any =>
  of({
    name: self.name,
    doc: self.doc,
    inputs: self.inputs,
    steps: changes.reduce((steps, change) => changed(self, steps, change), self.steps)
  })
