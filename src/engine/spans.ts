/**
 * Spans of a run: one for the pipeline, one for each step, and one for each compensation. Without a tracer and a meter no
 * span is made; the cost is one look into the context for each pipeline.
 *
 * A step that ran ahead of its process gets its span afterwards, with the time that the process took.
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

/** Counts what happens in runs. `Metrics` of the runtime provides one. */
export interface Meter {
  /** A step has ended. */
  readonly step: (place: Place, milliseconds: number) => void
  /** A compensation has ended. */
  readonly undone: (place: Place, exit: Exit.Exit<unknown, unknown>) => void
  /** A pipeline has ended; `about` has the attributes of the act around it. */
  readonly pipeline: (
    name: string,
    about: Readonly<Record<string, unknown>>,
    milliseconds: number,
    exit: Exit.Exit<unknown, unknown>
  ) => void
}

/** The meter; absent by default. */
export const CurrentMeter = Context.Reference<Meter | undefined>("runfx/CurrentMeter", {
  defaultValue: () => undefined
})

// looked up by name: asking by the key would create the default tracer
const tracerIn = (context: Context.Context<never>): Tracer | undefined =>
  Context.get(context, TracerEnabled)
    ? Context.getOrUndefined(context, { key: TracerKey } as Context.Key<never, Tracer>)
    : undefined

const isObserved = (context: Context.Context<never>): boolean =>
  Context.getOrUndefined(context, { key: TracerKey } as Context.Key<never, Tracer>) !== undefined ||
  Context.get(context, CurrentMeter) !== undefined

/** Adds an error to its span: its tag, and the call and errno if the kernel refused a call. */
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

/** When something began and ended, in milliseconds of the clock. */
export interface Stretch {
  readonly from: number
  readonly to: number
}

const nanos = (milliseconds: number): bigint => BigInt(Math.round(milliseconds * 1e6))

/** The span of the pipeline for each span of a running step. What a step starts in the background belongs to the pipeline. */
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

  /** The context of a step: the step's span is the parent of the spans that it makes. A step that runs ahead has none. */
  within(step: Step.Any, context: Context.Context<never>, isAhead: boolean): Context.Context<never> {
    if (this.#whole === undefined) return context
    // a terminal step does not end, so it is an event of the pipeline's span
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

  /** The pipeline has ended. Becoming the program counts as success. */
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

/** The spans of a run of a pipeline; `undefined` without a tracer and a meter. */
export const spansOf = (
  pipeline: Any,
  context: Context.Context<never>,
  clock: Clock.Clock
): Spans | undefined =>
  isObserved(context)
    ? new Spans(pipeline, context, () => Number(clock.currentTimeNanosUnsafe()) / 1e6)
    : undefined

/** Runs what a step starts and does not wait for. Its spans belong to the pipeline, not to the step. */
export const beside = <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const span = Context.getOrUndefined(context as Context.Context<ParentSpan>, ParentSpan)
    const whole = span === undefined ? undefined : pipelines.get(span)
    return whole === undefined ? self : Effect.provideService(self, ParentSpan, whole) as typeof self
  })

/**
 * Runs an act of the runtime in a span, which is the parent of its pipelines' spans.
 *
 * @param about attributes of this span and of all spans within
 */
export const act =
  (name: string, about: Readonly<Record<string, unknown>>) =>
  <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.contextWith((context: Context.Context<R>) =>
      isObserved(context as Context.Context<never>)
        ? Effect.withSpan(
          Effect.annotateSpans(
            Effect.onExit(self, (exit) => Effect.map(Effect.orDie(Effect.currentSpan), (span) => describe(span, exit))),
            about
          ),
          name,
          { attributes: about, captureStackTrace: false }
        )
        : self
    ) as typeof self
