/**
 * Spans of a run, for who has a tracer: one for the pipeline, one for each step, one for each compensation. Who has none, and
 * counts nothing, pays a look into the context for each pipeline; nothing is made.
 *
 * A step that has run ahead of its process gets its span afterwards, with the time that the process took for it.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import { TracerEnabled, TracerSpanAnnotations } from "effect/References"
import { type AnySpan, ParentSpan, type Span, type Tracer, TracerKey } from "effect/Tracer"
import type { Any } from "./pipeline/Definition.ts"
import type { Place } from "./PipelineError.ts"
import type * as Step from "./Step.ts"

/** What is counted of runs. The runtime's `Metrics` provides one. */
export interface Meter {
  /** A step has ended. */
  readonly step: (place: Place, milliseconds: number) => void
  /** A compensation has ended. */
  readonly undone: (place: Place, exit: Exit.Exit<unknown, unknown>) => void
  /** A pipeline has ended; `about` says whose it was. */
  readonly pipeline: (
    name: string,
    about: Readonly<Record<string, unknown>>,
    milliseconds: number,
    exit: Exit.Exit<unknown, unknown>
  ) => void
}

/** Who counts; by default nobody. */
export const CurrentMeter = Context.Reference<Meter | undefined>("runfx/CurrentMeter", {
  defaultValue: () => undefined
})

// by its name: to ask the key itself makes the tracer that there always is
const tracerIn = (context: Context.Context<never>): Tracer | undefined =>
  Context.get(context, TracerEnabled)
    ? Context.getOrUndefined(context, { key: TracerKey } as Context.Key<never, Tracer>)
    : undefined

const isObserved = (context: Context.Context<never>): boolean =>
  Context.getOrUndefined(context, { key: TracerKey } as Context.Key<never, Tracer>) !== undefined ||
  Context.get(context, CurrentMeter) !== undefined

/** Adds what a refusal says to its span: the error by its tag, and the call and errno if the kernel has refused one. */
const describe = (span: Span, exit: Exit.Exit<unknown, unknown>): void => {
  if (Exit.isSuccess(exit)) return
  let error: unknown = exit.cause.reasons.find(Cause.isFailReason)?.error
  while (typeof error === "object" && error !== null && "reason" in error) error = error.reason
  if (typeof error !== "object" || error === null) return
  if ("_tag" in error) span.attribute("error.type", error._tag)
  if ("code" in error && typeof error.code === "string") span.attribute("runfx.errno", error.code)
  if ("call" in error && typeof error.call === "object" && error.call !== null && "_tag" in error.call) {
    span.attribute("runfx.call", error.call._tag)
  }
}

/** From when to when something was done, in milliseconds of the clock. */
export interface Stretch {
  readonly from: number
  readonly to: number
}

const nanos = (milliseconds: number): bigint => BigInt(Math.round(milliseconds * 1e6))

/** The pipelines of the steps that run: what a step starts beside itself belongs there. */
const pipelines = new WeakMap<AnySpan, AnySpan>()

/** The spans of one run of a pipeline. */
export class Spans {
  readonly #pipeline: Any
  readonly #about: Readonly<Record<string, unknown>>
  readonly #meter: Meter | undefined
  readonly #tracer: Tracer | undefined
  readonly #now: () => number
  readonly #began: number
  readonly #whole: Span | undefined
  #running: Span | undefined

  constructor(pipeline: Any, context: Context.Context<never>, now: () => number) {
    this.#pipeline = pipeline
    this.#about = Context.get(context, TracerSpanAnnotations)
    this.#meter = Context.get(context, CurrentMeter)
    this.#tracer = tracerIn(context)
    this.#now = now
    this.#began = now()
    this.#whole = this.#span(pipeline.name, Context.getOrUndefined(context, ParentSpan as never), this.#began)
  }

  #span(name: string, parent: AnySpan | undefined, from: number): Span | undefined {
    const span = this.#tracer?.span({
      name,
      parent: Option.fromNullishOr(parent),
      annotations: Context.empty(),
      links: [],
      startTime: nanos(from),
      kind: "internal",
      root: false,
      sampled: parent?.sampled ?? true
    })
    if (span === undefined) return
    for (const [key, value] of Object.entries(this.#about)) span.attribute(key, value)
    return span
  }

  #ofStep(name: string, step: Step.Any, from: number): Span | undefined {
    const span = this.#span(`${this.#pipeline.name}/${name}`, this.#whole, from)
    span?.attribute("runfx.step", step.name)
    span?.attribute("runfx.reversal", step.reversal)
    return span
  }

  /** What a step runs with: its own span is the parent of those that it makes. One that runs ahead makes none. */
  within(step: Step.Any, context: Context.Context<never>, isAhead: boolean): Context.Context<never> {
    if (this.#whole === undefined) return context
    // a terminal step does not end: it is an event of the pipeline's
    const span = isAhead || step.reversal === "terminal" ? undefined : this.#ofStep(step.name, step, this.#now())
    this.#running = span
    if (span !== undefined) pipelines.set(span, this.#whole)
    return Context.add(context, ParentSpan, span ?? this.#whole) as Context.Context<never>
  }

  /** A step has ended. */
  left(step: Step.Any, exit: Exit.Exit<unknown, unknown>, { from, to }: Stretch): void {
    this.#meter?.step({ pipeline: this.#pipeline.name, step: step.name }, to - from)
    const failed = Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)
    const span = this.#running ??
      (step.reversal === "terminal" && !failed ? undefined : this.#ofStep(step.name, step, from))
    this.#running = undefined
    if (span === undefined) return
    describe(span, exit)
    span.end(nanos(to), exit)
  }

  /** A compensation has ended. */
  undone(step: string, exit: Exit.Exit<unknown, unknown>, { from, to }: Stretch): void {
    this.#meter?.undone({ pipeline: this.#pipeline.name, step }, exit)
    const span = this.#span(`${this.#pipeline.name}/${step}: undo`, this.#whole, from)
    span?.attribute("runfx.step", step)
    span?.end(nanos(to), exit)
  }

  /** The pipeline has ended. One that became a program has no further end: it has done what it was for. */
  ended(exit: Exit.Exit<unknown, unknown>): void {
    const to = this.#now()
    const last = this.#pipeline.steps.at(-1)
    const becameProgram = last?.reversal === "terminal" && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    const end = becameProgram ? Exit.void : exit
    this.#meter?.pipeline(this.#pipeline.name, this.#about, to - this.#began, end)
    if (this.#whole === undefined) return
    if (becameProgram) this.#whole.event(last.name, nanos(to))
    describe(this.#whole, end)
    this.#whole.end(nanos(to), end)
  }
}

/** The spans of a run of a pipeline; `undefined` if nobody traces or counts. */
export const spansOf = (
  pipeline: Any,
  context: Context.Context<never>,
  clock: Clock.Clock
): Spans | undefined =>
  isObserved(context)
    ? new Spans(pipeline, context, () => Number(clock.currentTimeNanosUnsafe()) / 1e6)
    : undefined

/** What a step starts, and does not wait for. Its spans are the pipeline's, not the step's. */
export const beside = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const span = Context.getOrUndefined(context as Context.Context<ParentSpan>, ParentSpan)
    const whole = span === undefined ? undefined : pipelines.get(span)
    return whole === undefined ? self : Effect.provideService(self, ParentSpan, whole) as typeof self
  })

/**
 * An act of somebody who runs pipelines, as a span that is the parent of theirs.
 *
 * @param about attributes of it, and of all spans within
 */
export const act =
  (name: string, about: Readonly<Record<string, unknown>>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.contextWith((context: Context.Context<R>) =>
      isObserved(context as Context.Context<never>)
        ? Effect.withSpan(Effect.annotateSpans(self, about), name, { attributes: about, captureStackTrace: false })
        : self
    ) as typeof self
