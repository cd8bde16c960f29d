/**
 * From the record of a run to the rows of a plan.
 *
 * @category plans
 * @since 0.1.0
 */
import { rowOf } from "../native/calls.ts"
import { W } from "../native/constants.ts"
import type { Errno } from "../native/Errno.ts"
import type { Passed } from "../native/Fork.ts"
import { type Call, type SyscallError, withoutSecrets } from "../native/Kernel.ts"
import { Meanings, type Names, render } from "./Meanings.ts"
import type * as Pipeline from "./Pipeline.ts"
import { rootCause } from "./PipelineError.ts"
import type { PlannedCall, Row } from "./Plan.ts"
import { type Json, toJson } from "./planJson.ts"

/** One recorded call; `Recorder.entries` returns these. */
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
  /** For a clone: the process that it made. */
  readonly child?: string
  /** For a clone: the descriptors that it passes, if these are not all. */
  readonly passed?: ReadonlyArray<Passed>
  /** The errnos that the step handles. */
  readonly handled?: ReadonlyArray<Errno>
}

/**
 * A step that began before the next call was made; `Recorder.begun` returns these.
 *
 * @since 0.2.0
 */
export interface Begun {
  readonly side: string
  readonly pipeline: string
  readonly step: string
  /** How many calls were made before it. */
  readonly after: number
}

/** An argument, with a name instead of a value that differs in each run. Numbers of descriptors and pids stay. */
const argumentOf = (value: unknown, word: string | undefined): Json => {
  if (word === undefined || Array.isArray(value)) return toJson(value)
  if (word.startsWith("\"")) {
    const text = JSON.parse(word) as string
    return toJson(value instanceof Uint8Array ? Buffer.from(text) : text)
  }
  // the request of a netlink message
  const start = word.indexOf("{")
  if (typeof value !== "object" || value instanceof Uint8Array || start < 0) return toJson(value)
  return { _tag: word.slice(0, start), ...JSON.parse(word.slice(start)) as Record<string, Json> }
}

const plannedCall = ({ call, outcome, handled = [] }: Recorded, names: Names): PlannedCall => {
  // a plan is kept and passed on, with the names of an environment and not its values
  const { _tag: name, ...args } = withoutSecrets(call)
  return {
    name,
    args: Object.fromEntries(
      Object.entries(args).flatMap(([key, value]): ReadonlyArray<[string, Json]> =>
        value === undefined
          ? []
          : [[key, name === "keyctl" && names[key] !== undefined ? names[key] : argumentOf(value, names[key])]]
      )
    ),
    ...Object.keys(names).length === 0 ? {} : { names },
    text: render(call, names),
    ...handled.length === 0 ? {} : { handles: [...handled] },
    outcome: outcome._tag === "Returned"
      ? { _tag: "Returned", result: rowOf(name).result.varies === true ? null : toJson(outcome.result) }
      : outcome._tag === "Failed"
      ? { _tag: "Failed", code: outcome.error.code }
      : { _tag: "Ends" }
  }
}

/** Whether a call only waits: it is repeated until something has happened. */
const waits = ({ args, name }: PlannedCall): boolean =>
  rowOf(name).waits === "only" && (name !== "waitid" || (Number(args["options"]) & W.NOHANG) !== 0)

/**
 * Appends a call. A wait replaces the same wait before it, and the waits in between. A sequence that repeats the calls
 * before the last sleep replaces them as well.
 */
export const append = (calls: Array<PlannedCall>, call: PlannedCall): void => {
  if (waits(call)) {
    let at = calls.length - 1
    while (at >= 0 && waits(calls[at]!) && calls[at]!.text !== call.text) at--
    if (at >= 0 && waits(calls[at]!)) calls.splice(at)
  }
  calls.push(call)
  const sleep = calls.findLastIndex(({ name }) => name === "nanosleep")
  const length = calls.length - 1 - sleep
  if (sleep < length || length === 0) return
  const isSame = (_: unknown, index: number): boolean =>
    calls[sleep - length + index]!.text === calls[sleep + 1 + index]!.text
  if (Array.from({ length }).every(isSame)) calls.splice(sleep - length, length + 1)
}

type Open = Omit<Row, "calls"> & { readonly calls: Array<PlannedCall> }

/** Rows in the order of time. */
export const rowsOf = ({ before = [], begun, pids, pipelines, record }: {
  readonly record: ReadonlyArray<Recorded>
  /** Earlier calls, which give numbers their names. */
  readonly before?: ReadonlyArray<Recorded>
  readonly begun: ReadonlyArray<Begun>
  readonly pipelines: ReadonlyArray<Pipeline.Any>
  readonly pids: ReadonlyMap<number, string> | undefined
}): ReadonlyArray<Row> => {
  const meanings = new Meanings(pids)
  const rows: Array<Open> = []
  const stepOf = (pipeline: string, name: string) =>
    pipelines.find((known) => known.name === pipeline)?.steps.find((step) => step.name === name)
  const rowFor = ({ pipeline, side, step, undoing = false }: Omit<Recorded, "call" | "outcome">): Open => {
    const last = rows.at(-1)
    if (last?.side === side && last.pipeline === pipeline && last.step === step && last.undoing === undoing) return last
    const known = stepOf(pipeline, step)
    const row: Open = {
      side,
      pipeline,
      step,
      doc: known?.doc ?? "",
      reversal: known?.reversal ?? "harmless",
      undoing,
      calls: []
    }
    rows.push(row)
    return row
  }
  const namesOf = (entry: Recorded): Names => {
    const { call, child, outcome, passed, side, step } = entry
    if (child !== undefined) meanings.fork(side, child, passed)
    return meanings.next({
      side,
      step,
      call,
      returned: outcome._tag === "Returned",
      ...outcome._tag === "Returned" ? { result: outcome.result } : {},
      ...child === undefined ? {} : { child }
    })
  }
  for (const entry of before) namesOf(entry)
  for (const [index, entry] of record.entries()) {
    for (const step of begun) if (step.after === index) rowFor(step)
    append(rowFor(entry).calls, plannedCall(entry, namesOf(entry)))
  }
  for (const step of begun) if (step.after >= record.length) rowFor(step)
  const makesCalls = new Set(rows.filter(({ calls }) => calls.length > 0).map(keyOf))
  return rows.filter((row) => row.calls.length > 0 || !makesCalls.has(keyOf(row)))
}

const keyOf = ({ pipeline, side, step }: Row): string => `${side}/${pipeline}/${step}`

/** Marks the call of an exec trampoline that failed. The record does not say which; the error of the run does. */
export const refusedExec = (record: ReadonlyArray<Recorded>, error: unknown): ReadonlyArray<Recorded> => {
  const cause = rootCause(error) as { readonly _tag?: unknown; readonly reason?: unknown } | undefined
  const reason = cause?._tag === "ExecRefused" ? cause.reason as SyscallError : undefined
  const last = record.findLastIndex(({ call, outcome }) => call._tag === "execve" && outcome._tag === "Pending")
  if (reason === undefined || last < 0) return record
  return record.with(last, { ...record[last]!, outcome: { _tag: "Failed", error: reason } })
}
