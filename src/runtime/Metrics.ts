/**
 * Counts what the runtime does, as metrics of Effect: an exporter of those (OTLP, Prometheus) exports these, too. Nothing is
 * counted without {@link layer}.
 *
 * | metric | kind | attributes |
 * |---|---|---|
 * | `runfx_starts` | counter: programs that run | `pipeline` |
 * | `runfx_failures` | counter: failed pipelines, with the step that failed first | `pipeline`, `step`, `error`, `errno` |
 * | `runfx_start_duration` | histogram, in milliseconds, until the program runs | `pipeline` |
 * | `runfx_step_duration` | histogram, in milliseconds | `pipeline`, `step` |
 * | `runfx_rollbacks` | counter: steps that were undone, or could not be | `pipeline`, `step`, `outcome` |
 * | `runfx_containers` | gauge: containers that this process has started and not removed | |
 *
 * **Example** (In an application, next to its exporter)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import * as Metric from "effect/Metric"
 * import * as Metrics from "runfx/runtime/Metrics"
 *
 * const program = Effect.gen(function*() {
 *   yield* Runtime.run(options)
 *   return yield* Metric.dump
 * }).pipe(Effect.provide(Metrics.layer))
 * ```
 *
 * @see https://effect.website/docs/observability/metrics
 * @category metrics
 * @since 0.2.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { PipelineError } from "../engine/PipelineError.ts"
import { CurrentMeter, type Meter } from "../engine/spans.ts"
import { create } from "../pipelines/create.ts"
import { createLate } from "../pipelines/createLate.ts"
import { exec } from "../pipelines/exec.ts"
import { remove } from "../pipelines/remove.ts"
import { removeBroken } from "../pipelines/removeBroken.ts"

/** From a tenth of a millisecond to a minute and a half. */
const boundaries = Metric.exponentialBoundaries({ start: 0.1, factor: 2, count: 20 })

const starts = Metric.counter("runfx_starts", { description: "programs that run", incremental: true })
const failures = Metric.counter("runfx_failures", { description: "pipelines that have failed", incremental: true })
const startDuration = Metric.histogram("runfx_start_duration", {
  description: "milliseconds until a program runs",
  boundaries
})
const stepDuration = Metric.histogram("runfx_step_duration", { description: "milliseconds of a step", boundaries })
const rollbacks = Metric.counter("runfx_rollbacks", { description: "steps that were undone", incremental: true })
const containers = Metric.gauge("runfx_containers", { description: "containers that were started and not removed" })

const starting: ReadonlySet<string> = new Set([create.name, createLate.name, exec.name])
const making: ReadonlySet<string> = new Set([create.name, createLate.name])
const removing: ReadonlySet<string> = new Set([remove.name, removeBroken.name])

/** The attributes of a failure; `undefined` if the pipeline only reports that of another one, which is counted already. */
const failureOf = (pipeline: string, cause: Cause.Cause<unknown>): Record<string, string> | undefined => {
  const error = cause.reasons.find(Cause.isFailReason)?.error
  if (error === undefined) {
    return Cause.hasInterruptsOnly(cause) ? { pipeline, error: "interrupted" } : { pipeline, error: "defect" }
  }
  if (!(error instanceof PipelineError)) return { pipeline, error: "unknown" }
  if (error.cause !== undefined) return undefined
  const reason: unknown = error.reason
  const field = (name: "_tag" | "code"): string =>
    typeof reason === "object" && reason !== null && name in reason
      ? String((reason as Readonly<Record<string, unknown>>)[name])
      : ""
  return { pipeline, step: error.step, error: field("_tag"), errno: field("code") }
}

const meterFor = (context: Context.Context<never>): Meter => {
  const alive = new Set<unknown>()
  const count = <I, S>(metric: Metric.Metric<I, S>, input: I, attributes: Record<string, string> = {}): void =>
    Metric.withAttributes(metric, attributes).updateUnsafe(input, context)
  return {
    step: ({ pipeline, step }, milliseconds) => count(stepDuration, milliseconds, { pipeline, step }),
    undone: ({ pipeline, step }, exit) =>
      count(rollbacks, 1, { pipeline, step, outcome: Exit.isSuccess(exit) ? "undone" : "failed" }),
    pipeline: (pipeline, about, milliseconds, exit) => {
      if (Exit.isFailure(exit)) {
        const failure = failureOf(pipeline, exit.cause)
        if (failure !== undefined) count(failures, 1, failure)
        return
      }
      if (starting.has(pipeline)) {
        count(starts, 1, { pipeline })
        count(startDuration, milliseconds, { pipeline })
      }
      const id = about["container.id"]
      if (making.has(pipeline)) alive.add(id)
      else if (removing.has(pipeline)) alive.delete(id)
      else return
      count(containers, alive.size)
    }
  }
}

/** Counts what runs in effects that it is provided to. */
export const layer: Layer.Layer<never> = Layer.effect(CurrentMeter, Effect.map(Effect.context<never>(), meterFor))
