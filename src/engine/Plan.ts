/**
 * A plan: what a run of pipelines would do, as a value that can be written, read back, and compared.
 *
 * It is made from a record of calls (see `runfx/testing`, Recorder): the same pipelines run against a model of the
 * machine, and each row is one step of one process with the calls that it made.
 *
 * Not for the init process: this module loads `effect/Schema`.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Errno from "../native/Errno.ts"
import { callNames, render, type SyscallError } from "../native/Kernel.ts"
import type { Call } from "../native/Kernel.ts"
import type * as Pipeline from "./Pipeline.ts"
import { PipelineError, rootCause } from "./PipelineError.ts"

// ── the value ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A value of an argument as JSON: big integers and bytes carry a tag. */
export type Json =
  | null
  | boolean
  | number
  | string
  | { readonly $bigint: string }
  | { readonly $bytes: string }
  | ReadonlyArray<Json>
  | { readonly [key: string]: Json }

const toJson = (value: unknown): Json => {
  if (typeof value === "bigint") return { $bigint: String(value) }
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("base64") }
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).filter(([, field]) => field !== undefined).map(([key, field]) => [key, toJson(field)])
    )
  }
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null
}

const fromJson = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== "object" || value === null) return value
  if ("$bigint" in value && typeof value.$bigint === "string") return BigInt(value.$bigint)
  if ("$bytes" in value && typeof value.$bytes === "string") return new Uint8Array(Buffer.from(value.$bytes, "base64"))
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, fromJson(field)]))
}

/** What a planned call comes to. */
export const Outcome = Schema.Union([
  Schema.Struct({ _tag: Schema.Literal("Returned"), result: Schema.Json }),
  Schema.Struct({ _tag: Schema.Literal("Failed"), code: Schema.Literals(Errno.names) }),
  /** It does not return: the program is replaced, or the process ends. */
  Schema.Struct({ _tag: Schema.Literal("Ends") })
])

/** One call. */
export const PlannedCall = Schema.Struct({
  name: Schema.Literals(callNames),
  /** By name; see {@link Json}. */
  args: Schema.Record(Schema.String, Schema.Json),
  /** As strace(1) would print it. */
  text: Schema.String,
  outcome: Outcome
})

/** One step of one process, or the undoing of one. */
export const Row = Schema.Struct({
  /** Which process: `parent`, `init`, … */
  side: Schema.String,
  pipeline: Schema.String,
  step: Schema.String,
  doc: Schema.String,
  reversal: Schema.Literals(["compensated", "harmless", "irreversible", "terminal"]),
  /** Whether the row takes back what the step did. */
  undoing: Schema.Boolean,
  calls: Schema.Array(PlannedCall)
})

/** How a planned run fails. */
export const Failure = Schema.Struct({
  pipeline: Schema.String,
  step: Schema.String,
  error: Schema.String,
  advice: Schema.optionalKey(Schema.String),
  /** Steps that can't be taken back in place. */
  residue: Schema.Array(Schema.String)
})

/** A plan. */
export const Plan = Schema.Struct({
  version: Schema.Literal(1),
  /** What is planned: `run web`. */
  title: Schema.String,
  /** In the order of time, over all processes. */
  rows: Schema.Array(Row),
  /** What would be undone, in which order, if the last step of all failed; empty where nothing can be. */
  rollback: Schema.Array(Row),
  fails: Schema.optionalKey(Failure)
})

/** A plan. */
export interface Plan extends Schema.Schema.Type<typeof Plan> {}
/** One step of a plan. */
export interface Row extends Schema.Schema.Type<typeof Row> {}
/** One call of a plan. */
export interface PlannedCall extends Schema.Schema.Type<typeof PlannedCall> {}

// ── from a record ────────────────────────────────────────────────────────────────────────────────────────────────────

/** One call on record; `Recorder.entries` gives these. */
export interface Recorded {
  readonly side: string
  readonly pipeline: string
  readonly step: string
  readonly undoing?: boolean
  readonly call: Call
  readonly outcome:
    | { readonly _tag: "Returned"; readonly result: unknown }
    | { readonly _tag: "Failed"; readonly error: SyscallError }
    | { readonly _tag: "Pending" }
}

const plannedCall = ({ call, outcome }: Recorded): PlannedCall => {
  const { _tag: name, ...args } = call
  return {
    name,
    args: toJson(args) as Record<string, Json>,
    text: render(call),
    outcome: outcome._tag === "Returned"
      ? { _tag: "Returned", result: toJson(outcome.result) }
      : outcome._tag === "Failed"
      ? { _tag: "Failed", code: outcome.error.code }
      : { _tag: "Ends" }
  }
}

/**
 * Makes a plan.
 *
 * Calls of one process that follow each other within a step make one row; where another process comes between them, the
 * step has several rows, so that the rows stay in the order of time.
 *
 * @param pipelines where the steps' lines of documentation come from
 * @param error what the run failed with, if it did
 */
export const make = (options: {
  readonly title: string
  readonly record: ReadonlyArray<Recorded>
  /** The record of another run, whose last step was made to fail; only its compensations are taken. */
  readonly rollback?: ReadonlyArray<Recorded>
  readonly pipelines: ReadonlyArray<Pipeline.Any>
  readonly error?: unknown
}): Plan => {
  const rows = rowsOf(options.record, options.pipelines)
  const rollback = rowsOf((options.rollback ?? []).filter(({ undoing }) => undoing === true), options.pipelines)
  return { version: 1, title: options.title, rows, rollback, ...failureOf(options.error) }
}

const rowsOf = (record: ReadonlyArray<Recorded>, pipelines: ReadonlyArray<Pipeline.Any>): ReadonlyArray<Row> => {
  const rows: Array<Omit<Row, "calls"> & { readonly calls: Array<PlannedCall> }> = []
  const stepOf = (pipeline: string, name: string) =>
    pipelines.find((known) => known.name === pipeline)?.steps.find((step) => step.name === name)
  for (const entry of record) {
    const { pipeline, side, step, undoing = false } = entry
    const last = rows.at(-1)
    if (last?.side === side && last.pipeline === pipeline && last.step === step && last.undoing === undoing) {
      last.calls.push(plannedCall(entry))
      continue
    }
    const known = stepOf(pipeline, step)
    rows.push({
      side,
      pipeline,
      step,
      doc: known?.doc ?? "",
      reversal: known?.reversal ?? "harmless",
      undoing,
      calls: [plannedCall(entry)]
    })
  }
  return rows
}

/** The failure of the process where it began: a parent only reports what its init failed with. */
const innermost = (error: unknown): unknown =>
  error instanceof PipelineError && error.reason instanceof PipelineError ? innermost(error.reason) : error

const failureOf = (error: unknown): Pick<Plan, "fails"> => {
  if (error === undefined) return {}
  const cause = rootCause(error)
  const text = cause instanceof Error ? cause.message : String(cause)
  const first = innermost(error)
  if (!(first instanceof PipelineError)) return { fails: { pipeline: "", step: "", error: text, residue: [] } }
  const { advice, pipeline, residue, step } = first
  return { fails: { pipeline, step, error: text, ...advice === undefined ? {} : { advice }, residue } }
}

/** The call that a planned one stands for: what `args` held before it became JSON. */
export const callOf = (planned: PlannedCall): Call =>
  ({ _tag: planned.name, ...fromJson(planned.args) as object }) as Call

// ── JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const Text = Schema.fromJsonString(Plan)

/** The plan as JSON, in one line. */
export const toText: (plan: Plan) => string = Schema.encodeSync(Text)

/** Reads a plan. Fails with a message that says where the text is not one. */
export const fromText = (text: string): Effect.Effect<Plan, Schema.SchemaError> => Schema.decodeEffect(Text)(text)

// ── comparing ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One difference of two plans. */
export type Difference =
  | { readonly _tag: "Added"; readonly row: Row }
  | { readonly _tag: "Removed"; readonly row: Row }
  | { readonly _tag: "Changed"; readonly before: Row; readonly after: Row }

const identity = ({ pipeline, side, step, undoing }: Row): string => `${side}/${pipeline}/${step}/${undoing}`

const callTexts = (row: Row): string =>
  row.calls.map(({ outcome, text }) => `${text} = ${outcome._tag === "Failed" ? outcome.code : outcome._tag}`).join(
    "\n"
  )

/** The n-th row of a step corresponds to the n-th row of the same step in the other plan. */
const numbered = (plan: Plan): ReadonlyMap<string, Row> => {
  const seen = new Map<string, number>()
  return new Map(plan.rows.map((row) => {
    const key = identity(row)
    const number = (seen.get(key) ?? 0) + 1
    seen.set(key, number)
    return [`${key}/${number}`, row]
  }))
}

/** What changed from one plan to another: steps that came or went, and steps whose calls are others now. */
export const compare = (before: Plan, after: Plan): ReadonlyArray<Difference> => {
  const [old, now] = [numbered(before), numbered(after)]
  return [
    ...[...old].flatMap(([key, row]): ReadonlyArray<Difference> => {
      const other = now.get(key)
      if (other === undefined) return [{ _tag: "Removed", row }]
      return callTexts(row) === callTexts(other) ? [] : [{ _tag: "Changed", before: row, after: other }]
    }),
    ...[...now].flatMap(([key, row]): ReadonlyArray<Difference> => old.has(key) ? [] : [{ _tag: "Added", row }])
  ]
}
