/**
 * An ordered, inspectable, editable, reversible composition of steps.
 *
 * Which step needs what is checked by the compiler: `run` accepts only a pipeline in which every requirement is provided
 * by an earlier step or by an input, no name stands twice, and nothing follows a terminal step. `problems` checks the
 * same at run time, for pipelines that were assembled from data.
 *
 * **Example** (Editing a preset)
 *
 * ```ts
 * const mine = Pipeline.insertAfter(standard, "setHostname", announce)
 * const program = Pipeline.run(mine)
 * ```
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Pipeable, Prototype } from "effect/Pipeable"
import type { Kernel } from "../native/Kernel.ts"
import { CurrentStep, type Event, Events, undoing } from "./Events.ts"
import { InvalidPipelineError, PipelineError, type RollbackFailure } from "./PipelineError.ts"
import * as Step from "./Step.ts"

type Steps = ReadonlyArray<Step.Any>
type Keys = ReadonlyArray<Step.Key>

/**
 * A pipeline: its name, what it takes, and its steps in order.
 *
 * - `Inputs`: keys of what whoever runs it must provide
 * - `S`: the steps, as a tuple
 */
export interface Pipeline<out Inputs extends Keys, out S extends Steps> extends Pipeable {
  readonly name: string
  /** What it is for, in a line. */
  readonly doc: string
  readonly inputs: Inputs
  readonly steps: S
}

/** The pipeline without its types. */
export type Any = Pipeline<Keys, Steps>

/** The literal names of the steps. */
export type Names<P> = P extends Pipeline<any, infer S> ? Step.Name<S[number]> : never
/** What the steps can fail with. */
export type Errors<P> = P extends Pipeline<any, infer S> ? Step.Error<S[number]> : never
/** The services that the steps provide; what a run gives back, as a Context. */
export type Provided<P> = P extends Pipeline<any, infer S> ? Step.Identifier<Step.Provides<S[number]>> : never

// ── what the compiler checks ─────────────────────────────────────────────────────────────────────────────────────────

type KeyName<K> = K extends { readonly key: infer N extends string } ? N : never

/** The first rule that a list of steps breaks, in words; `never` if it breaks none. */
export type Problem<S extends Steps, Have extends string, Seen extends string = never> = S extends
  readonly [infer H extends Step.Any, ...infer T extends Steps]
  ? Step.Name<H> extends Seen ? `step "${Step.Name<H>}" stands twice`
  : "~terminal" extends Have ? `step "${Step.Name<H>}" stands after a terminal step`
  : [Exclude<KeyName<Step.Requires<H>>, Have>] extends [never]
    ? Problem<T, Have | KeyName<Step.Provides<H>>, Seen | Step.Name<H>>
  : `step "${Step.Name<H>}" requires "${Exclude<KeyName<Step.Requires<H>>, Have>}", which no earlier step provides`
  : never

type Runnable<Inputs extends Keys, S extends Steps> = [Problem<S, KeyName<Inputs[number]>>] extends [never] ? unknown
  : { readonly "this pipeline can't run": Problem<S, KeyName<Inputs[number]>> }

type Duplicate<S extends Steps, Seen extends string = never> = S extends
  readonly [infer H extends Step.Any, ...infer T extends Steps]
  ? Step.Name<H> extends Seen ? `step "${Step.Name<H>}" stands twice` : Duplicate<T, Seen | Step.Name<H>>
  : never

type Unique<S extends Steps> = [Duplicate<S>] extends [never] ? unknown : { readonly "duplicate name": Duplicate<S> }

type Fresh<X extends Step.Any, S extends Steps> = Step.Name<X> extends Step.Name<S[number]>
  ? { readonly "duplicate name": `step "${Step.Name<X>}" stands twice` }
  : unknown

// with what is done as a parameter, so that it is a tail call: the compiler follows others only about 50 deep
type Splice<S extends Steps, N, Put extends Steps, Done extends Steps = []> = S extends
  readonly [infer H extends Step.Any, ...infer T extends Steps]
  ? Step.Name<H> extends N ? [...Done, ...Put, ...T] : Splice<T, N, Put, [...Done, H]>
  : Done

type At<S extends Steps, N> = S extends readonly [infer H extends Step.Any, ...infer T extends Steps]
  ? Step.Name<H> extends N ? H : At<T, N>
  : never

// ── constructors and edits ───────────────────────────────────────────────────────────────────────────────────────────

const of = <I extends Keys, S extends Steps>(self: Omit<Pipeline<I, S>, "pipe">): Pipeline<I, S> =>
  Object.assign(Object.create(Prototype), self)

const withSteps = (self: Any, steps: Steps): never =>
  of({ name: self.name, doc: self.doc, inputs: self.inputs, steps }) as never

/** Makes a pipeline of steps; refuses a name that stands twice. */
export const make = <const I extends Keys, const S extends Steps>(
  header: { readonly name: string; readonly doc: string; readonly inputs: I },
  ...steps: S & Unique<S>
): Pipeline<I, S> => of({ ...header, steps })

/** Puts a step at the end. */
export const append = <I extends Keys, S extends Steps, X extends Step.Any>(
  self: Pipeline<I, S>,
  step: X & Fresh<X, S>
): Pipeline<I, [...S, X]> => withSteps(self, [...self.steps, step])

const edit = (self: Any, name: string, put: (old: Step.Any) => Steps): never => {
  if (!self.steps.some((step) => step.name === name)) {
    throw new InvalidPipelineError({
      pipeline: self.name,
      problems: [`there is no step "${name}"; there are ${self.steps.map((step) => step.name).join(", ")}`]
    })
  }
  return withSteps(self, self.steps.flatMap((step) => step.name === name ? put(step) : [step]))
}

/**
 * Puts a step before another.
 *
 * Throws {@link InvalidPipelineError} where the name is not there, which only untyped code can bring about.
 */
export const insertBefore = <I extends Keys, S extends Steps, N extends Step.Name<S[number]>, X extends Step.Any>(
  self: Pipeline<I, S>,
  name: N,
  step: X & Fresh<X, S>
): Pipeline<I, Splice<S, N, [X, At<S, N>]>> => edit(self, name, (old) => [step, old])

/** Puts a step after another. Throws as {@link insertBefore}. */
export const insertAfter = <I extends Keys, S extends Steps, N extends Step.Name<S[number]>, X extends Step.Any>(
  self: Pipeline<I, S>,
  name: N,
  step: X & Fresh<X, S>
): Pipeline<I, Splice<S, N, [At<S, N>, X]>> => edit(self, name, (old) => [old, step])

/** Puts a step in the place of another. Throws as {@link insertBefore}. */
export const replace = <I extends Keys, S extends Steps, N extends Step.Name<S[number]>, X extends Step.Any>(
  self: Pipeline<I, S>,
  name: N,
  step: X & ([Step.Name<X>] extends [N] ? unknown : Fresh<X, S>)
): Pipeline<I, Splice<S, N, [X]>> => edit(self, name, () => [step])

/** Takes a step out. Throws as {@link insertBefore}. */
export const remove = <I extends Keys, S extends Steps, N extends Step.Name<S[number]>>(
  self: Pipeline<I, S>,
  name: N
): Pipeline<I, Splice<S, N, []>> => edit(self, name, () => [])

/**
 * Gives a pipeline back as it is; one that can't run does not compile. For a pipeline that is handed on to somebody who
 * takes any, and that the compiler would see no more of.
 *
 * **Example** (A flow)
 *
 * ```ts
 * export default (preset: typeof standard) => Pipeline.check(Pipeline.insertAfter(preset, "setHostname", announce))
 * ```
 */
export const check = <I extends Keys, S extends Steps>(self: Pipeline<I, S> & Runnable<I, S>): Pipeline<I, S> => self

// ── what needs no run ────────────────────────────────────────────────────────────────────────────────────────────────

/** Every rule that a pipeline breaks, in words; the run-time twin of the check that `run` asks of the compiler. */
export const problems = (self: Any): ReadonlyArray<string> => {
  const have = new Set(self.inputs.map((key) => key.key))
  const seen = new Set<string>()
  const out: Array<string> = []
  let terminal: string | undefined
  for (const step of self.steps) {
    if (seen.has(step.name)) out.push(`step "${step.name}" stands twice`)
    if (terminal !== undefined) out.push(`step "${step.name}" stands after "${terminal}", which is terminal`)
    for (const key of step.requires) {
      if (have.has(key)) continue
      const later = self.steps.find((other) => other.provides === key)
      out.push(
        `step "${step.name}" requires "${key}", which no earlier step provides` +
          (later === undefined ? "" : ` ("${later.name}" does, and must stand before it)`)
      )
    }
    seen.add(step.name)
    if (step.provides !== undefined) have.add(step.provides)
    if (step.reversal === "terminal") terminal = step.name
  }
  return out
}

/** A step's header as plain data, for printing and for JSON. */
export type StepDescription = Pick<Step.Any, "name" | "doc" | "calls" | "requires" | "provides" | "reversal">

/** The headers of all steps, in order. Nothing is run. */
export const describe = (self: Any): ReadonlyArray<StepDescription> =>
  self.steps.map(({ calls, doc, name, provides, requires, reversal }) => ({
    name,
    doc,
    calls,
    requires,
    provides,
    reversal
  }))

// ── running ──────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Compensation {
  readonly step: string
  readonly undo: Effect.Effect<void, unknown, never>
}

const adviceFor = (step: Step.Any, reason: unknown): string | undefined => {
  if (typeof reason !== "object" || reason === null) return undefined
  if ("code" in reason && typeof reason.code === "string") {
    const advice = (step.advice as Readonly<Record<string, string | undefined>>)[reason.code]
    if (advice !== undefined) return advice
  }
  return "advice" in reason && typeof reason.advice === "string" ? reason.advice : undefined
}

const execute = Effect.fnUntraced(
  function*(self: Any, restore: <A, E, R>(e: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) {
    const emit = yield* Events
    const clock = yield* Clock.Clock
    const environment = yield* Effect.context<never>()
    const milliseconds = () => Number(clock.currentTimeNanosUnsafe()) / 1e6
    const event = (_tag: Event["_tag"], step: string, since: number): Effect.Effect<void> =>
      emit({ _tag, pipeline: self.name, step, milliseconds: milliseconds() - since } as Event)

    const compensations: Array<Compensation> = []
    const done: Array<Step.Any> = []
    let context: Context.Context<never> = environment

    for (const step of self.steps) {
      const rollback = { add: (undo: Compensation["undo"]) => void compensations.push({ step: step.name, undo }) }
      const running = context.pipe(
        Context.add(Step.Rollback, rollback),
        Context.add(CurrentStep, { pipeline: self.name, step: step.name, undoing: false })
      )
      const started = milliseconds()
      const exit = yield* Effect.exit(
        Effect.andThen(
          emit({ _tag: "Started", pipeline: self.name, step: step.name }),
          // it is all of the environment and more: to merge the two would only copy them
          restore(Effect.updateContext(step.run, () => running))
        )
      )
      let failed: Exit.Failure<unknown, unknown>
      if (Exit.isSuccess(exit)) {
        const { undo } = step
        // made only when it is needed: an `undo` that throws is a failed compensation like any other
        if (undo !== undefined) {
          rollback.add(
            Effect.suspend(() =>
              Effect.provideContext(undo(exit.value as never), undoing(running)) as Compensation["undo"]
            )
          )
        }
        if (step.key !== undefined) context = Context.add(context, step.key, exit.value) as Context.Context<never>
        done.push(step)
        const told = yield* Effect.exit(event("Completed", step.name, started))
        if (Exit.isSuccess(told)) continue
        // a listener that dies ends the run as a step does that dies
        failed = told
      } else failed = exit

      const undone: Array<string> = []
      const failures: Array<RollbackFailure> = []
      const tell = Effect.fnUntraced(function*(_tag: Event["_tag"], name: string, since: number) {
        const told = yield* Effect.exit(event(_tag, name, since))
        if (Exit.isFailure(told)) failures.push({ step: name, cause: told.cause })
      })
      yield* tell("Failed", step.name, started)
      for (const compensation of compensations.toReversed()) {
        const since = milliseconds()
        const result = yield* Effect.exit(compensation.undo)
        if (Exit.isSuccess(result)) undone.push(compensation.step)
        else failures.push({ step: compensation.step, cause: result.cause })
        yield* tell(Exit.isSuccess(result) ? "Undone" : "UndoFailed", compensation.step, since)
      }
      const { cause } = failed
      const fail = cause.reasons.find(Cause.isFailReason)
      // a defect or an interruption is not laundered into a typed error: it keeps its own cause, and what failed while
      // undoing is added to it
      if (fail === undefined || Cause.hasDies(cause)) {
        return yield* Effect.failCause(
          failures.reduce(
            (all: Cause.Cause<unknown>, { cause: other }) => Cause.combine(all, Cause.die(Cause.squash(other))),
            cause
          )
        )
      }
      return yield* new PipelineError({
        pipeline: self.name,
        step: step.name,
        reason: fail.error,
        advice: adviceFor(step, fail.error),
        undone: [...new Set(undone)],
        residue: done.filter(({ reversal }) => reversal === "irreversible").map(({ name }) => name),
        rollback: failures
      })
    }
    return context
  }
)

/**
 * Runs a pipeline whose order the compiler has accepted, and gives everything that its steps provide.
 *
 * On failure or interruption, what was done is undone in reverse order, uninterruptibly; failures of that ride in the
 * error beside the first one.
 */
export const run = <I extends Keys, S extends Steps>(
  self: Pipeline<I, S> & Runnable<I, S>
): Effect.Effect<
  Context.Context<Provided<Pipeline<I, S>>>,
  PipelineError<Errors<Pipeline<I, S>>>,
  Kernel | Step.Identifier<I[number]>
> => Effect.uninterruptibleMask((restore) => execute(self, restore)) as never

/**
 * As {@link run}, for a caller that is uninterruptible itself and hands on what the pipeline made: only the steps run
 * under `restore`, so that no interruption can come between the last step and the caller.
 */
export const runWith: (
  restore: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
) => typeof run = (restore) => (self) => execute(self, restore) as never

/** Runs a pipeline that was assembled from data: the order is checked first, before any step is run. */
export const runUnchecked = (
  self: Any
): Effect.Effect<Context.Context<never>, PipelineError | InvalidPipelineError, never> =>
  Effect.suspend(() => {
    const found = problems(self)
    return found.length > 0
      ? Effect.fail(new InvalidPipelineError({ pipeline: self.name, problems: found }))
      : Effect.uninterruptibleMask((restore) => execute(self, restore)) as never
  })
