/**
 * Runs steps that may run ahead of their process, one after the other, until what they have come to is certain.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Ahead from "../native/Ahead.ts"
import { CurrentStep } from "./Events.ts"
import type { Observer, RanAhead } from "./Observer.ts"
import type { Spans } from "./spans.ts"
import * as Step from "./Step.ts"

/** Makes a part of an uninterruptible effect interruptible again. */
export type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

type Undo = Effect.Effect<void, unknown, never>

/** A step with all that it needs. */
interface Prepared {
  /** What it runs with. */
  readonly running: Context.Context<never>
  readonly run: Effect.Effect<unknown, unknown>
}

/** What a step came to that has run ahead. */
interface Outcome extends Prepared {
  readonly exit: Exit.Exit<unknown, unknown>
  /** What takes back what it did, in the order of doing. */
  readonly undos: ReadonlyArray<Undo>
  readonly milliseconds: number
  /** What its process has told of it, for one who watches. */
  readonly ahead?: RanAhead
  /** When its process began with it, by this process's clock, if there are spans. */
  readonly from?: number
}

/** Provides a step with what it needs. `add` gets what takes back what it does. */
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
  // it is all of the environment and more: to merge the two would only copy them
  return { running, run: Effect.updateContext(step.run, () => all as never) as Prepared["run"] }
}

/** What is there for the steps behind one. */
export const provided = (
  step: Step.Any,
  exit: Exit.Exit<unknown, unknown>,
  context: Context.Context<never>
): Context.Context<never> =>
  step.key === undefined || Exit.isFailure(exit)
    ? context
    : Context.add(context, step.key, exit.value) as Context.Context<never>

/** A step whose process, or fiber, has ended. */
const ended = (exit: Exit.Exit<unknown>, running: Context.Context<never>): Outcome => ({
  exit,
  run: exit as Prepared["run"],
  running,
  undos: [],
  milliseconds: 0
})

/** When each began: one after the other, and the last one has just ended. */
const inTime = (outcomes: ReadonlyArray<Outcome>, end: number): ReadonlyArray<Outcome> => {
  let from = outcomes.reduce((at, { milliseconds }) => at - milliseconds, end)
  return outcomes.map((outcome) => {
    const timed = { ...outcome, from }
    from += outcome.milliseconds
    return timed
  })
}

/**
 * Runs the steps at the front of a list that may run ahead, up to the first that fails. Returns what each came to; nothing
 * on a kernel that can't run ahead.
 */
const runAhead = Effect.fnUntraced(function*(
  pipeline: string,
  steps: ReadonlyArray<Step.Any>,
  context: Context.Context<never>,
  { now, observer, restore, spans }: Running
) {
  const journey = yield* Ahead.begin
  if (journey === undefined) return []
  // an interruption comes before all of them, or after
  const open = yield* Effect.exit(restore(Effect.void))
  if (Exit.isFailure(open)) return [ended(open, context)]
  const outcomes: Array<Outcome> = []
  const contexts = [context]
  for (;;) {
    const at = outcomes.length
    const step = steps[at]
    const last = outcomes[at - 1]?.exit
    if (step?.replayable === true && (last === undefined || Exit.isSuccess(last))) {
      const started = now()
      observer?.ahead(step.name)
      const undos: Array<Undo> = []
      const prepared = prepare(pipeline, step, contexts[at]!, (undo) => void undos.push(undo), { journey, spans })
      const exit = yield* journey.part(step.name, prepared.run)
      if (!journey.isLost) {
        outcomes.push({ ...prepared, exit, undos, milliseconds: now() - started })
        contexts.push(provided(step, exit, contexts[at]!))
        continue
      }
    }
    const again = yield* Effect.exit(journey.settle)
    if (Exit.isFailure(again)) return [...outcomes.slice(0, -1), ended(again, contexts[Math.max(at - 1, 0)]!)]
    if (again.value === undefined) {
      const settled = outcomes.map((outcome, part) => {
        const times = journey.times(part)
        return {
          ...outcome,
          milliseconds: times === undefined ? outcome.milliseconds : times.ended - times.began,
          ...observer === undefined ? {} : { ahead: { ...times, calls: journey.calls(part) } }
        }
      })
      return spans === undefined ? settled : inTime(settled, now())
    }
    outcomes.length = again.value
    contexts.length = again.value + 1
  }
})

/** The next step: what runs it, or its result, and how long that took. */
export interface Next extends Prepared {
  readonly spent: number
  readonly from?: number | undefined
  readonly ahead?: RanAhead
}

/** What running steps takes. */
export interface Running {
  /** The time in milliseconds. */
  readonly now: () => number
  readonly restore: Restore
  readonly mayRunAhead: boolean
  /** Who watches, if somebody does. */
  readonly observer: Observer | undefined
  /** The spans of the run, if somebody traces or counts. */
  readonly spans: Spans | undefined
}

/** Runs the steps of a pipeline, one after the other; those that may, and follow one another, together. */
export class Runner {
  readonly #pipeline: { readonly name: string; readonly steps: ReadonlyArray<Step.Any> }
  readonly #how: Running
  /** Of the steps that have run ahead. */
  #outcomes: Array<Outcome> = []

  constructor(pipeline: { readonly name: string; readonly steps: ReadonlyArray<Step.Any> }, how: Running) {
    this.#pipeline = pipeline
    this.#how = how
  }

  /**
   * What runs the next step, or returns its result if that is known already, and how long that took. `add` gets what
   * takes back what the step does.
   */
  *next(
    index: number,
    context: Context.Context<never>,
    add: (undo: Undo) => void
  ): Generator<Effect.Effect<ReadonlyArray<Outcome>>, Next, any> {
    const { name, steps } = this.#pipeline
    const step = steps[index]!
    if (this.#how.mayRunAhead && step.replayable && this.#outcomes.length === 0) {
      this.#outcomes = [...yield* runAhead(name, steps.slice(index), context, this.#how)]
    }
    const outcome = this.#outcomes.shift()
    if (outcome === undefined) {
      const { run, running } = prepare(name, step, context, add, this.#how)
      return { running, run: this.#whole(step, run), spent: 0 }
    }
    outcome.undos.forEach(add)
    const { ahead, exit, from, milliseconds, running } = outcome
    const run = exit as Prepared["run"]
    return { running, run, spent: milliseconds, from, ...ahead === undefined ? {} : { ahead } }
  }

  /** One that is done at once is interrupted before it begins, or not at all. */
  #whole({ atOnce }: Step.Any, run: Prepared["run"]): Prepared["run"] {
    const { restore } = this.#how
    return atOnce ? Effect.andThen(restore(Effect.void), Effect.uninterruptible(run)) : restore(run)
  }
}
