/**
 * Runs steps ahead of their process, one after the other, until their results are certain.
 *
 * @category running
 * @since 0.2.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ahead from "../native/Ahead.ts"
import { CurrentStep } from "./Events.ts"
import { inputsOf, watching } from "./inputs.ts"
import type { Observer, RanAhead } from "./Observer.ts"
import type { Spans } from "./spans.ts"
import * as Step from "./Step.ts"

/** Makes a part of an uninterruptible effect interruptible again. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

type Undo = Effect.Effect<void, unknown, never>

/** A step, and the context that it runs in. */
interface Prepared {
  /** The context. */
  readonly running: Context.Context<never>
  readonly run: Effect.Effect<unknown, unknown>
}

/** The outcome of a step that ran ahead. All fields are written in one order, so that all outcomes are of one hidden class. */
interface Outcome extends Prepared {
  readonly exit: Exit.Exit<unknown, unknown>
  /** Its compensations, in the order in which the work was done. */
  readonly undos: ReadonlyArray<Undo>
  milliseconds: number
  /** What its process has reported of it, for an observer. */
  ahead: RanAhead | undefined
  /** When its process began it, by the clock of this process; only if there are spans. */
  from: number | undefined
  /** Continues it in place of its exit: the process has become a program. */
  left: Effect.Effect<never> | undefined
}

const outcomeOf = (
  exit: Exit.Exit<unknown, unknown>,
  { run, running }: Prepared,
  undos: ReadonlyArray<Undo>
): Outcome => ({ running, run, exit, undos, milliseconds: 0, ahead: undefined, from: undefined, left: undefined })

/** Provides a step with its context. `add` receives its compensations. */
const prepare = (
  pipeline: string,
  step: Step.Any,
  context: Context.Context<never>,
  add: (undo: Undo) => void,
  { journey, spans }: { readonly journey?: Ahead.Journey; readonly spans: Spans | undefined }
): Prepared => {
  const within = spans?.within(step, context, journey !== undefined) ?? context
  const running = within.pipe(
    Context.add(Step.Rollback, { add }),
    Context.add(CurrentStep, { pipeline, step: step.name, undoing: false, calls: step.calls })
  ) as Context.Context<never>
  const all = journey === undefined ? running : Context.add(running, Ahead.Current, journey)
  // this context includes the environment, so merging the two would only copy them
  return { running, run: Effect.updateContext(step.run, () => all as never) as Prepared["run"] }
}

/** The context of the steps after one that has ended. */
export const provided = (
  step: Step.Any,
  exit: Exit.Exit<unknown, unknown>,
  context: Context.Context<never>
): Context.Context<never> =>
  step.key === undefined || Exit.isFailure(exit)
    ? context
    : Context.add(context, step.key, exit.value) as Context.Context<never>

/** The outcome of a step that does not run: its calls were copied, or its process, or fiber, has ended. */
const settledBy = (
  exit: Exit.Exit<unknown>,
  running: Context.Context<never>,
  undos: ReadonlyArray<Undo> = []
): Outcome => outcomeOf(exit, { running, run: exit as Prepared["run"] }, undos)

/** Notes how long a step took, if its process has noted that. */
const spend = (outcome: Outcome, times: Ahead.Times | undefined): void => {
  if (times !== undefined) outcome.milliseconds = times.ended - times.began
}

/** Notes when each step began. They ran one after the other, and the last one has just ended. */
const noteTimes = (outcomes: ReadonlyArray<Outcome>, end: number): void => {
  let from = outcomes.reduce((at, { milliseconds }) => at - milliseconds, end)
  for (const outcome of outcomes) {
    outcome.from = from
    from += outcome.milliseconds
  }
}

/** Runs one step ahead; copies its calls if it has made them before. */
const runOne = (
  pipeline: string,
  step: Step.Any,
  context: Context.Context<never>,
  how: { readonly journey: Ahead.Journey; readonly spans: Spans | undefined }
): Effect.Effect<Outcome> => {
  const { journey } = how
  const undos: Array<Undo> = []
  const repeats = step.deterministic && step.undo === undefined
  if (repeats) {
    // what has been copied registers no compensation
    const again = (): Prepared["run"] => prepare(pipeline, step, context, () => {}, how).run
    const exit = journey.copied(step.name, inputsOf(step, context), again)
    if (exit !== undefined) return Effect.succeed(settledBy(exit, context))
  }
  const watched = repeats && journey.keeps(step) ? watching(step, context) : undefined
  const add = (undo: Undo): void => {
    watched?.refuse()
    undos.push(undo)
  }
  const prepared = prepare(pipeline, step, watched?.context ?? context, add, how)
  return Effect.map(
    journey.part(step.name, prepared.run, watched?.keeping),
    (exit) => outcomeOf(exit, prepared, undos)
  )
}

/**
 * Runs those steps at the front of a list that may run ahead, up to the first that fails. Returns their outcomes; none on a
 * kernel that can't run ahead.
 */
const runAhead = Effect.fnUntraced(function*(
  pipeline: string,
  steps: ReadonlyArray<Step.Any>,
  context: Context.Context<never>,
  { now, observer, restore, spans }: Running
) {
  const journey = yield* Ahead.begin
  if (journey === undefined) return []
  // an interruption arrives before all of them, or after
  const open = yield* Effect.exit(restore(Effect.void))
  if (Exit.isFailure(open)) return [settledBy(open, context)]
  const outcomes: Array<Outcome> = []
  const contexts = [context]
  for (;;) {
    const at = outcomes.length
    const step = steps[at]
    const last = outcomes[at - 1]?.exit
    // an observer is told beforehand that the process becomes the program
    const isNext = step !== undefined && step.replayable && (observer === undefined || step.reversal !== "terminal")
    if (isNext && (last === undefined || Exit.isSuccess(last))) {
      const started = now()
      observer?.ahead(step.name)
      const outcome = yield* runOne(pipeline, step, contexts[at]!, { journey, spans })
      if (!journey.isLost) {
        outcome.milliseconds = now() - started
        outcomes.push(outcome)
        contexts.push(provided(step, outcome.exit, contexts[at]!))
        continue
      }
    }
    const again = yield* Effect.exit(journey.settle)
    if (Exit.isFailure(again)) {
      // the rest may have been made in part: the first of them fails, with what would undo them all
      const certain = outcomes.slice(0, journey.certain)
      const undos = outcomes.slice(certain.length).flatMap(({ undos }) => undos)
      certain.forEach((outcome, part) => spend(outcome, journey.times(part)))
      return [...certain, settledBy(again, contexts[certain.length]!, undos)]
    }
    if (again.value === undefined) {
      outcomes.forEach((outcome, part) => {
        const times = journey.times(part)
        if (journey.left !== undefined && part === outcomes.length - 1) {
          outcome.left = journey.left
          // of a process that has become a program, nobody knows when
          outcome.milliseconds = 0
          return
        }
        spend(outcome, times)
        if (observer !== undefined) outcome.ahead = { ...times, calls: journey.calls(part) }
      })
      if (spans !== undefined) noteTimes(outcomes, now())
      return outcomes
    }
    outcomes.length = again.value
    contexts.length = again.value + 1
  }
})

/** The next step: the Effect that runs it, or its result, and how long that took. */
export interface Next extends Prepared {
  readonly spent: number
  readonly from: number | undefined
  readonly ahead: RanAhead | undefined
}

/** What is needed to run steps. */
export interface Running {
  /** The time in milliseconds. */
  readonly now: () => number
  readonly restore: Restore
  readonly mayRunAhead: boolean
  /** The observer, if there is one. */
  readonly observer: Observer | undefined
  /** The spans of the run, if there is a tracer or a meter. */
  readonly spans: Spans | undefined
}

/** Runs the steps of a pipeline, one after the other. Consecutive steps that may run ahead do so together. */
export class Runner {
  readonly #pipeline: { readonly name: string; readonly steps: ReadonlyArray<Step.Any> }
  readonly #how: Running
  /** Outcomes of steps that have run ahead, and were not returned yet. */
  #outcomes: Array<Outcome> = []

  constructor(pipeline: { readonly name: string; readonly steps: ReadonlyArray<Step.Any> }, how: Running) {
    this.#pipeline = pipeline
    this.#how = how
  }

  /** Whether the next step, and those behind it, can run ahead, and have not yet. */
  mayRunAhead({ replayable }: Step.Any): boolean {
    return replayable && this.#how.mayRunAhead && this.#outcomes.length === 0
  }

  /** Runs the steps ahead from one on, as far as they may. */
  runAhead(index: number, context: Context.Context<never>): Effect.Effect<void> {
    const { name, steps } = this.#pipeline
    return Effect.map(
      runAhead(name, steps.slice(index), context, this.#how),
      (outcomes) => void (this.#outcomes = [...outcomes])
    )
  }

  /**
   * The next step: the Effect that runs it, or its outcome if it has run ahead. `add` receives the step's compensations.
   */
  next(step: Step.Any, context: Context.Context<never>, add: (undo: Undo) => void): Next {
    const outcome = this.#outcomes.shift()
    if (outcome === undefined) {
      const { run, running } = prepare(this.#pipeline.name, step, context, add, this.#how)
      return { running, run: this.#whole(step, run), spent: 0, from: undefined, ahead: undefined }
    }
    outcome.undos.forEach(add)
    const { ahead, exit, from, left, milliseconds, running } = outcome
    const run = left ?? exit as Prepared["run"]
    return { running, run, spent: milliseconds, from, ahead }
  }

  /** A step with `atOnce` is interrupted before it begins, or not at all. */
  #whole({ atOnce }: Step.Any, run: Prepared["run"]): Prepared["run"] {
    const { restore } = this.#how
    return atOnce ? Effect.andThen(restore(Effect.void), Effect.uninterruptible(run)) : restore(run)
  }
}
