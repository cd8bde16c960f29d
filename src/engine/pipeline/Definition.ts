/**
 * What a pipeline is: a name, inputs, and steps in order, all with their types.
 *
 * @category models
 * @since 0.1.0
 */
import { type Pipeable, Prototype } from "effect/Pipeable"
import { InvalidPipelineError, type PipelineError } from "../PipelineError.ts"
import type * as Step from "../Step.ts"
import { collisions } from "./keys.ts"

/**
 * Steps in order, as a tuple.
 *
 * @since 0.2.0
 */
export type Steps = ReadonlyArray<Step.Any>

/**
 * Keys of services, as a tuple.
 *
 * @since 0.2.0
 */
export type Keys = ReadonlyArray<Step.Key>

/**
 * A pipeline: its name, its inputs, and its steps in order.
 *
 * - `Inputs`: keys of what the caller must provide
 * - `S`: the steps, as a tuple
 */
export interface Pipeline<out Inputs extends Keys, out S extends Steps> extends Pipeable {
  readonly name: string
  /** What it is for, in a line. */
  readonly doc: string
  readonly inputs: Inputs
  readonly steps: S
}

/**
 * The pipeline without its types.
 *
 * @since 0.2.0
 */
export type Any = Pipeline<Keys, Steps>

/**
 * The type of a pipeline. Give it a name by an interface, so that an editor shows the name instead of all steps.
 *
 * **Example** (A pipeline of one's own)
 *
 * ```ts
 * const steps = Pipeline.make({ name: "box", doc: "a box", inputs: [] }, openRoot, enterRoot)
 * export interface Box extends Pipeline.Of<typeof steps> {}
 * export const box: Box = steps
 * ```
 *
 * @since 0.2.0
 */
export type Of<P extends Any> = Pipeline<P["inputs"], P["steps"]>

/**
 * The literal names of the steps.
 *
 * @since 0.2.0
 */
export type Names<P> = P extends Any ? Step.Name<P["steps"][number]> : never
/**
 * What the steps can fail with.
 *
 * @since 0.2.0
 */
export type Errors<P> = P extends Any ? Step.Error<P["steps"][number]> : never
/**
 * What a run of a pipeline fails with. The failure of another pipeline, which a step reports, becomes its own.
 *
 * @since 0.2.0
 */
export type Failure<P> = PipelineError<Reason<Errors<P>>>

/**
 * The error of the step that failed first.
 *
 * @since 0.2.0
 */
export type Reason<E> = E extends PipelineError<infer R> ? R : E

/** The services that the steps provide; what a run returns, as a Context. */
export type Provided<P> = P extends Any ? Step.Identifier<Step.Provides<P["steps"][number]>> : never

/**
 * Makes the value. Only the keys of facts are checked here; the order is checked when the pipeline runs.
 *
 * @throws {@link InvalidPipelineError} if two facts have keys of the same name
 *
 * @category constructors
 */
export const of = <I extends Keys, S extends Steps>(self: Omit<Pipeline<I, S>, "pipe">): Pipeline<I, S> => {
  const problems = collisions(self)
  if (problems.length > 0) throw new InvalidPipelineError({ pipeline: self.name, problems })
  return Object.assign(Object.create(Prototype), self)
}
