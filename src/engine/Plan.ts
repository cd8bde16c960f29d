/**
 * A plan: what a run of pipelines would do, as a value that can be written, read back and compared.
 *
 * It is made from a record of calls (`Recorder` of `runfx/testing`): the same pipelines run on a model of the machine. Each
 * row is one step of one process, with the calls that it made.
 *
 * A start does not import this module: it loads `effect/Schema`, which takes longer than the start.
 *
 * @category plans
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Errno from "../native/Errno.ts"
import { callNames, render } from "../native/Kernel.ts"
import type { Call } from "../native/Kernel.ts"
import { textOf } from "./errorText.ts"
import type * as Pipeline from "./Pipeline.ts"
import { innermost, PipelineError, rootCause } from "./PipelineError.ts"
import { fromJson } from "./planJson.ts"
import { type Begun, type Recorded, refusedExec, rowsOf } from "./planRows.ts"

export { toHtml } from "./planHtml.ts"
export type { Begun, Recorded } from "./planRows.ts"

// -- the value --------------------------------------------------------------------------------------------------------

const said = <S extends Schema.Top>(schema: S, description: string): S["Rebuild"] => schema.annotate({ description })

/**
 * How a planned call ends.
 *
 * @public
 */
export const Outcome = Schema.Union([
  said(
    Schema.Struct({ _tag: Schema.Literal("Returned"), result: Schema.Json }),
    "what it gives; null for nothing, and for what is another one each time"
  ),
  Schema.Struct({ _tag: Schema.Literal("Failed"), code: Schema.Literals(Errno.names) }),
  /** It does not return: the program is replaced, or the process ends. */
  said(
    Schema.Struct({ _tag: Schema.Literal("Ends") }),
    "it does not return: the program is replaced, or the process ends"
  )
])

/** One call. */
export const PlannedCall = Schema.Struct({
  name: Schema.Literals(callNames),
  args: said(
    Schema.Record(Schema.String, Schema.Json),
    "by name; big integers and bytes carry a tag ($bigint, $bytes in base64)"
  ),
  names: Schema.optionalKey(
    said(
      Schema.Record(Schema.String, Schema.String),
      "by name: the text that replaces an argument whose value differs from run to run"
    )
  ),
  text: said(Schema.String, "as strace(1) would print it, with these names"),
  handles: Schema.optionalKey(
    said(
      Schema.Array(Schema.Literals(Errno.names)),
      "errnos that the step handles: it continues, or fails with an error that says more"
    )
  ),
  outcome: Outcome
})

/** One step of one process, or the undoing of one. */
export const Row = Schema.Struct({
  side: said(Schema.String, "which process: parent, init, …"),
  pipeline: said(Schema.String, "empty outside of a pipeline, as the step is"),
  step: Schema.String,
  doc: said(Schema.String, "what the step does, in a line"),
  reversal: Schema.Literals(["compensated", "harmless", "irreversible", "terminal"]),
  undoing: said(Schema.Boolean, "whether the row takes back what the step did"),
  calls: said(Schema.Array(PlannedCall), "none for a step of a flow that makes none")
})

/**
 * How a planned run fails.
 *
 * @public
 */
export const Failure = Schema.Struct({
  pipeline: Schema.String,
  step: Schema.String,
  error: Schema.String,
  advice: Schema.optionalKey(said(Schema.String, "what to do about it")),
  residue: said(Schema.Array(Schema.String), "steps that can't be taken back in place")
})

/**
 * What becomes of one container.
 *
 * @since 0.2.0
 */
export const Fate = Schema.Struct({
  id: Schema.String,
  what: Schema.Literals(["killed and removed", "removed", "left alone", "failed"]),
  why: said(Schema.String, "why; of failed: the error")
})

/** A plan. */
export const Plan = Schema.Struct({
  version: Schema.Literal(1),
  title: said(Schema.String, "what is planned: run web"),
  rows: said(Schema.Array(Row), "in the order of time, over all processes"),
  rollback: said(
    Schema.Array(Row),
    "what would be undone, in which order, if the last step of all failed; empty where nothing can be"
  ),
  stays: Schema.optionalKey(
    said(
      Schema.Array(Schema.String),
      "what is on the machine at the end that was not there before, a line each; absent if it was not looked up"
    )
  ),
  containers: Schema.optionalKey(
    said(Schema.Array(Fate), "what becomes of each container, if that is what the command decides: prune")
  ),
  fails: Schema.optionalKey(Failure)
})

/**
 * A plan.
 *
 * @category models
 */
export interface Plan extends Schema.Schema.Type<typeof Plan> {}
/**
 * What becomes of one container.
 *
 * @category models
 * @since 0.2.0
 */
export interface Fate extends Schema.Schema.Type<typeof Fate> {}
/**
 * One step of a plan.
 *
 * @category models
 */
export interface Row extends Schema.Schema.Type<typeof Row> {}
/**
 * One call of a plan.
 *
 * @category models
 */
export interface PlannedCall extends Schema.Schema.Type<typeof PlannedCall> {}

// -- from a record ----------------------------------------------------------------------------------------------------

/**
 * Makes a plan.
 *
 * Consecutive calls of one process within a step make one row. If another process comes between them, the step has several
 * rows, so that rows stay in the order of time. A call that is repeated while it waits is shown once.
 *
 * @param pipelines whose steps' descriptions the rows show
 * @param error what the run failed with, if it did
 *
 * @category constructors
 */
export const make = (options: {
  readonly title: string
  readonly record: ReadonlyArray<Recorded>
  /** Steps that have begun, also those that made no call. */
  readonly begun?: ReadonlyArray<Begun>
  /** What would undo the run if its last step failed; the plan shows the compensations only. */
  readonly rollback?: ReadonlyArray<Recorded>
  /** How many calls of `record` come before those of `rollback`; all if absent. */
  readonly rollbackAfter?: number
  readonly pipelines: ReadonlyArray<Pipeline.Any>
  /** Names of pids that are known before the first call. */
  readonly pids?: ReadonlyMap<number, string>
  /** What is on the machine at the end that was not there before. */
  readonly stays?: ReadonlyArray<string>
  /** What becomes of each container. */
  readonly containers?: ReadonlyArray<Fate>
  readonly error?: unknown
}): Plan => {
  const { begun = [], pids, pipelines, record, rollback = [], rollbackAfter = record.length, title } = options
  const rows = rowsOf({ record: refusedExec(record, options.error), begun, pipelines, pids })
  const undone = rowsOf({ record: rollback, before: record.slice(0, rollbackAfter), begun: [], pipelines, pids })
  return {
    version: 1,
    title,
    rows,
    rollback: undone.filter(({ undoing }) => undoing),
    ...options.stays === undefined ? {} : { stays: options.stays },
    ...options.containers === undefined ? {} : { containers: options.containers },
    ...failureOf(options.error, rows)
  }
}

/** A message whose call has names instead of numbers, as in the rows. */
const named = (message: string, rows: ReadonlyArray<Row>): string => {
  const failed = rows.flatMap(({ calls }) => calls).filter(({ outcome }) => outcome._tag === "Failed")
  const found = failed.findLast((call) => message.includes(render(callOf(call))))
  return found === undefined ? message : message.replace(render(callOf(found)), () => found.text)
}

const failureOf = (error: unknown, rows: ReadonlyArray<Row>): Pick<Plan, "fails"> => {
  if (error === undefined) return {}
  const cause = rootCause(error)
  const text = named(textOf(cause), rows)
  if (!(error instanceof PipelineError)) return { fails: { pipeline: "", step: "", error: text, residue: [] } }
  const { advice, pipeline, residue, step } = innermost(error)
  return { fails: { pipeline, step, error: text, ...advice === undefined ? {} : { advice }, residue } }
}

/** The call as data, read back from the JSON of `args`. */
export const callOf = (planned: PlannedCall): Call =>
  ({ _tag: planned.name, ...fromJson(planned.args) as object }) as Call

// -- JSON -------------------------------------------------------------------------------------------------------------

const Text = Schema.fromJsonString(Plan)

/** The plan as JSON, in one line. */
export const toText: (plan: Plan) => string = Schema.encodeSync(Text)

/**
 * The JSON Schema of a plan, which is shipped as `runfx/schema/plan.json`.
 *
 * @since 0.2.0
 */
export const jsonSchema = (): object => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(Plan, { onExcessProperty: "error" })
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "What a command of runfx would do, as runfx plan --format json prints it",
    ...schema,
    ...Object.keys(definitions).length === 0 ? {} : { $defs: definitions }
  }
}

/**
 * Reads a plan. Fails with a message that names the place at which the text is not one.
 *
 * @category constructors
 */
export const fromText = (text: string): Effect.Effect<Plan, Schema.SchemaError> => Schema.decodeEffect(Text)(text)
