/**
 * An ordered, inspectable, editable, reversible composition of steps.
 *
 * Which step needs what is checked by the compiler: `run` accepts only a pipeline in which every requirement is provided
 * by an earlier step or by an input, no name is used twice, and nothing follows a terminal step. `problems` checks the
 * same at run time, for pipelines that were assembled from data.
 *
 * **Example** (Editing a preset)
 *
 * ```ts
 * const mine = Pipeline.insertAfter(standard, "setHostname", announce)
 * const program = Pipeline.run(mine)
 * ```
 *
 * @category running
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Kernel } from "../native/Kernel.ts"
import { provided, type Restore, Runner } from "./ahead.ts"
import { deaf, type Event, Events, undoing } from "./Events.ts"
import { keepingTo } from "./Headers.ts"
import { type RanAhead, watcher } from "./Observer.ts"
import {
  type Any,
  type Failure,
  type Keys,
  of,
  type Pipeline,
  type Provided,
  type Steps
} from "./pipeline/Definition.ts"
import { problems, type Runnable, type Unique } from "./pipeline/rules.ts"
import { DiedIn, InvalidPipelineError, PipelineError, type RollbackFailure } from "./PipelineError.ts"
import { type Spans, spansOf } from "./spans.ts"
import type * as Step from "./Step.ts"

export type { Restore } from "./ahead.ts"
export type {
  After,
  Applied,
  Before,
  Change,
  Changes,
  Edited,
  Instead,
  Last,
  Move,
  Swap,
  When
} from "./pipeline/changes.ts"
export type { Any, Errors, Failure, Keys, Names, Of, Pipeline, Provided, Reason, Steps } from "./pipeline/Definition.ts"
export {
  append,
  compose,
  concat,
  type Concatenated,
  type Edit,
  insertAfter,
  insertAllAfter,
  insertAllBefore,
  insertBefore,
  move,
  type Place,
  remove,
  replace,
  swap,
  when
} from "./pipeline/edits.ts"
export type { Editable, Misfit } from "./pipeline/fits.ts"
export { type Problems, problems, type Runnable } from "./pipeline/rules.ts"

// -- what needs no run ------------------------------------------------------------------------------------------------

/** Makes a pipeline of steps; refuses a name that is used twice. */
export const make = <const I extends Keys, const S extends Steps>(
  header: { readonly name: string; readonly doc: string; readonly inputs: I },
  ...steps: Unique<S>
): Pipeline<I, S> => of({ ...header, steps: steps as unknown as S })

/**
 * Returns the pipeline unchanged. A pipeline that can't run does not compile here. Use it where a pipeline is passed on as
 * `Any`, since the compiler checks nothing after that.
 *
 * **Example** (A flow)
 *
 * ```ts
 * export default (preset: Standard) => Pipeline.check(Pipeline.insertAfter(preset, "setHostname", announce))
 * ```
 */
export const check = <P extends Any>(self: Runnable<P>): P => self as P

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

// -- running ----------------------------------------------------------------------------------------------------------

/**
 * An effect that undoes something that a step did.
 *
 * @since 0.2.0
 */
export interface Compensation {
  readonly step: string
  readonly undo: Effect.Effect<void, unknown, never>
}

/**
 * A pipeline during its run.
 *
 * @since 0.2.0
 */
export interface Running {
  readonly pipeline: Any
  /** The compensations of what was done so far, in the order in which it was done. */
  readonly compensations: ReadonlyArray<Compensation>
  readonly context: Context.Context<never>
}

/**
 * A function that is called when a pipeline begins to run. What it returns is called when a step begins. Plans use it to
 * ask in the middle of a run what would be undone at that point. Absent by default.
 *
 * @since 0.2.0
 */
export const Watch = Context.Reference<((running: Running) => (step: Step.Any) => void) | undefined>("runfx/Watch", {
  defaultValue: () => undefined
})

const field = (value: unknown, name: "_tag" | "advice" | "code" | "reason" | "remedy"): unknown =>
  typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined

/** The error's own advice comes first, because it knows the case. The step's table knows only the errno. */
const adviceFor = (step: Step.Any, reason: unknown): string | undefined => {
  const table = step.advice as Readonly<Record<string, string | undefined>>
  const own = field(reason, "advice")
  const general = table[String(field(reason, "code"))]
  const wrapped = field(field(reason, "reason"), "advice")
  const said = field(reason, "_tag") === "SyscallError"
    ? [field(reason, "remedy"), general, own]
    : [own, general, wrapped]
  return said.find((advice) => typeof advice === "string") as string | undefined
}

/** Reports to the listener, with the time that a step took. */
type Emit = (
  tag: Exclude<Event["_tag"], "Started">,
  step: string,
  since: number,
  ahead?: RanAhead
) => Effect.Effect<void>

/** The step at which a run stops. */
interface Stopped {
  readonly step: Step.Any
  readonly since: number
  readonly ahead: RanAhead | undefined
}

/** Undoes what was done, the last first. A compensation that fails does not stop the others; all failures are returned. */
const undoAll = Effect.fnUntraced(
  function*(
    { ahead, since, step }: Stopped,
    compensations: ReadonlyArray<Compensation>,
    { emit, now, spans }: {
      readonly emit: Emit
      readonly now: () => number
      readonly spans: Spans | undefined
    }
  ) {
    const undone: Array<string> = []
    const failures: Array<RollbackFailure> = []
    const tell = Effect.fnUntraced(function*(...event: Parameters<Emit>) {
      const told = yield* Effect.exit(emit(...event))
      if (Exit.isFailure(told)) failures.push({ step: event[1], cause: told.cause })
    })
    yield* tell("Failed", step.name, since, ahead)
    for (const compensation of compensations.toReversed()) {
      const since = now()
      const result = yield* Effect.exit(compensation.undo)
      spans?.undone(compensation.step, result, { from: since, to: now() })
      if (Exit.isSuccess(result)) undone.push(compensation.step)
      else failures.push({ step: compensation.step, cause: result.cause })
      yield* tell(Exit.isSuccess(result) ? "Undone" : "UndoFailed", compensation.step, since)
    }
    return { undone: [...new Set(undone)], failures }
  }
)

/**
 * The failure of a pipeline. A defect or an interruption does not become a typed error: it keeps its own cause, which gets
 * the step as an annotation, and failed compensations are added to it.
 */
const failureOf = (
  self: Any,
  step: Step.Any,
  cause: Cause.Cause<unknown>,
  done: ReadonlyArray<Step.Any>,
  { failures, undone }: { readonly failures: ReadonlyArray<RollbackFailure>; readonly undone: ReadonlyArray<string> }
): Effect.Effect<never, unknown> => {
  const fail = cause.reasons.find(Cause.isFailReason)
  if (fail === undefined || Cause.hasDies(cause)) {
    return Effect.failCause(
      failures.reduce(
        (all: Cause.Cause<unknown>, { cause: other }) => Cause.combine(all, Cause.die(Cause.squash(other))),
        Cause.annotate(cause, Context.make(DiedIn, { pipeline: self.name, step: step.name }))
      )
    )
  }
  const { error } = fail
  return Effect.fail(
    new PipelineError({
      pipeline: self.name,
      step: step.name,
      ...error instanceof PipelineError ? { reason: error.reason, cause: error } : { reason: error },
      advice: adviceFor(step, error),
      undone,
      residue: done.filter(({ reversal }) => reversal === "irreversible").map(({ name }) => name),
      rollback: failures
    })
  )
}

const isExit: <A, E>(effect: Effect.Effect<A, E>) => effect is Exit.Exit<A, E> = Exit.isExit as never

/** One effect after another, if that succeeds. */
const after = <A, E>(first: Effect.Effect<void>, then: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  isExit(first) && Exit.isSuccess(first) ? then : Effect.andThen(first, then)

const execute = (self: Any, restore: Restore): Effect.Effect<Context.Context<never>, unknown> =>
  Effect.contextWith((context: Context.Context<never>) => {
    const environment = keepingTo(context)
    const spans = spansOf(self, environment, Context.get(context, Clock.Clock))
    const run = runSteps(self, restore, environment, spans) as Effect.Effect<Context.Context<never>, unknown>
    return spans === undefined ? run : Effect.onExit(run, (exit) => Effect.sync(() => spans.ended(exit)))
  })

const runSteps = Effect.fnUntraced(function*(
  self: Any,
  restore: Restore,
  environment: Context.Context<never>,
  spans: Spans | undefined
) {
  const events = yield* Events
  const clock = yield* Clock.Clock
  const now = () => Number(clock.currentTimeNanosUnsafe()) / 1e6
  const watching = yield* watcher
  const isHeard = events !== deaf || watching !== undefined
  const tell = (event: Event, ahead?: RanAhead): Effect.Effect<void> => {
    try {
      watching?.step(event, ahead)
      return events(event)
    } catch (error) {
      return Effect.die(error)
    }
  }
  const emit: Emit = (_tag, step, since, ahead) =>
    isHeard ? tell({ _tag, pipeline: self.name, step, milliseconds: now() - since }, ahead) : Effect.void

  const compensations: Array<Compensation> = []
  const began = (yield* Watch)?.({ pipeline: self, compensations, context: environment })
  const runner = new Runner(self, {
    now,
    restore,
    mayRunAhead: began === undefined,
    observer: watching?.observer,
    spans
  })
  const done: Array<Step.Any> = []
  let context: Context.Context<never> = environment

  for (let index = 0; index < self.steps.length; index++) {
    const step = self.steps[index]!
    if (runner.mayRunAhead(step)) yield* runner.runAhead(index, context)
    const add = (undo: Compensation["undo"]) => void compensations.push({ step: step.name, undo })
    const { ahead, from, run, running, spent } = runner.next(step, context, add)
    const started = isHeard || spans !== undefined ? now() - spent : 0
    began?.(step)
    const doing = isHeard ? after(tell({ _tag: "Started", pipeline: self.name, step: step.name }, ahead), run) : run
    // what has its result already takes no operation of the fiber
    const exit = isExit(doing) ? doing : yield* Effect.exit(doing)
    spans?.left(step, exit, from === undefined ? { from: started, to: now() } : { from, to: from + spent })
    let failed: Exit.Failure<unknown, unknown>
    if (Exit.isSuccess(exit)) {
      const { undo } = step
      // called only when it is needed, so an `undo` that throws is a failed compensation like any other
      if (undo !== undefined) {
        add(
          Effect.suspend(() =>
            Effect.provideContext(undo(exit.value as never), undoing(running)) as Compensation["undo"]
          )
        )
      }
      context = provided(step, exit, context)
      done.push(step)
      const telling = emit("Completed", step.name, started, ahead)
      const told = isExit(telling) ? telling : yield* Effect.exit(telling)
      if (Exit.isSuccess(told)) continue
      // a listener that dies ends the run, as a step that dies does
      failed = told
    } else failed = exit
    // the process has ended or has become the program: its fiber is interrupted, and nothing is undone
    if (step.reversal === "terminal" && Cause.hasInterruptsOnly(failed.cause)) return yield* failed
    const outcome = yield* undoAll({ step, since: started, ahead }, compensations, { emit, now, spans })
    return yield* failureOf(self, step, failed.cause, done, outcome)
  }
  return context
})

/**
 * Runs a pipeline whose order the compiler has accepted, and returns everything that its steps provide.
 *
 * On failure or interruption, what was done is undone in reverse order, uninterruptibly. If a compensation fails, the error
 * lists that beside the first failure.
 */
export const run = <P extends Any>(
  self: Runnable<P>
): Effect.Effect<Context.Context<Provided<P>>, Failure<P>, Kernel | Step.Identifier<P["inputs"][number]>> =>
  Effect.uninterruptibleMask((restore) => execute(self as P, restore)) as never

/**
 * As {@link run}, for an uninterruptible caller that passes on what the pipeline made. Only the steps run under `restore`,
 * so no interruption can come between the last step and the caller.
 */
export const runWith: (restore: Restore) => typeof run = (restore) => (self) => execute(self as Any, restore) as never

/** Runs a pipeline that was assembled from data: the order is checked before the first step runs. */
export const runUnchecked = (
  self: Any
): Effect.Effect<Context.Context<never>, PipelineError | InvalidPipelineError, never> =>
  Effect.suspend(() => {
    const found = problems(self)
    return found.length > 0
      ? Effect.fail(new InvalidPipelineError({ pipeline: self.name, problems: found }))
      : Effect.uninterruptibleMask((restore) => execute(self, restore)) as never
  })
