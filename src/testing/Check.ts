/**
 * Runs a step, a pipeline or a whole flow on a model machine, and checks what came of it. A check that fails throws an
 * error whose text shows what differs, and the calls that led there: step, arguments, result.
 *
 * It needs no root, no Linux, and no test framework; any of them shows the text.
 *
 * **Example** (A flow, in vitest or in `node:test`)
 *
 * ```ts
 * const checked = Check.run(start, { machine: { files: { "/srv/web/bin/server": { mode: 0o755 } } } })
 * Check.program(checked, { path: "/bin/server", process: { creds: { uid: 1000, noNewPrivs: true } } })
 * ```
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { nameOf } from "../config/capabilities.ts"
import type * as Pipeline from "../engine/Pipeline.ts"
import { PipelineError } from "../engine/PipelineError.ts"
import * as Plan from "../engine/Plan.ts"
import type { Errno } from "../native/Errno.ts"
import type { Fork } from "../native/Fork.ts"
import { type CallName, type Kernel, render, SyscallError } from "../native/Kernel.ts"
import * as Faults from "./Faults.ts"
import * as ModelKernel from "./ModelKernel.ts"
import * as PlanDiff from "./PlanDiff.ts"
import * as Recorder from "./Recorder.ts"
import type { Options as Seed } from "./Seed.ts"
import type { Executed, State } from "./State.ts"

/** How something is run. */
export interface Options {
  /** The machine before: a short description, a state (`seed`, `fromHost`), or a machine that goes on. */
  readonly machine?: Seed | State | ModelKernel.ModelKernel
  /** What programs do that are executed. */
  readonly programs?: Readonly<Record<string, ModelKernel.Program>>
  /** Which calls fail; see `Faults`. */
  readonly faults?: Faults.Rule
  /** How many calls the text of a failed check shows; 12. */
  readonly shown?: number
}

/** What came of a run. */
export interface Checked<out A, out E> {
  readonly exit: Exit.Exit<A, E>
  /** The machine before and after. */
  readonly before: State
  readonly after: State
  /** Every call of every process, in the order of time. */
  readonly calls: ReadonlyArray<Recorder.Entry>
  /** Programs that were executed, in order. */
  readonly executed: ReadonlyArray<Executed>
  /** How many calls were made to fail. */
  readonly faults: number
  /** The machine itself, to go on with. */
  readonly model: ModelKernel.ModelKernel
  readonly shown: number
}

/** A check that does not hold. */
export class CheckFailed extends Error {
  override readonly name = "CheckFailed"
}

/**
 * Runs an Effect on a model machine, with every call on record. It never throws: the checks do.
 *
 * **Example** (Two runs on one machine)
 *
 * ```ts
 * const first = Check.run(start, { machine: { cgroup: "v2" } })
 * Check.succeeded(first)
 * const second = Check.run(remove, { machine: first.model })
 * Check.succeeded(second)
 * ```
 */
export const run = <A, E>(effect: Effect.Effect<A, E, Kernel | Fork>, options: Options = {}): Checked<A, E> => {
  const { faults: rule = Faults.never, machine = {}, programs, shown = 12 } = options
  const model = "kernel" in machine
    ? machine
    : ModelKernel.make(machine, programs === undefined ? {} : { programs })
  const started = model.executed().length
  const before = model.state()
  const recorder = Recorder.make()
  const faults = Faults.make(rule)
  // the recorder is outermost: a call that is made to fail is on record too
  const layer = Layer.provide(recorder.layer, Layer.provide(faults.layer, model.layer))
  const exit = Effect.runSyncExit(Effect.provide(effect, layer))
  return {
    exit,
    before,
    after: model.state(),
    calls: recorder.entries(),
    executed: model.executed().slice(started),
    faults: faults.injected().length,
    model,
    shown
  }
}

// ── texts ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const resultText = (result: unknown): string => {
  if (typeof result === "bigint" || typeof result === "number") return ` = ${result}`
  if (result instanceof Uint8Array) return ` = ${result.length} bytes`
  if (result === undefined || result === null) return ""
  const text = JSON.stringify(
    result,
    (_, value) =>
      typeof value === "bigint" ? String(value) : value instanceof Uint8Array ? `${value.length} bytes` : value
  ) ?? ""
  return ` = ${text.length > 60 ? `${text.slice(0, 60)}…` : text}`
}

const callText = ({ call, outcome }: Recorder.Entry): string => {
  switch (outcome._tag) {
    case "Failed":
      return `${render(call)} = -1 ${outcome.error.code}`
    case "Pending":
      return `${render(call)} …`
    case "Returned":
      return `${render(call)}${resultText(outcome.result)}`
  }
}

/**
 * Prints the last calls of a process, with their steps, arguments, and what each gave; without `side`, of all processes.
 *
 * **Example** (Its look)
 *
 * ```text
 * the last 3 of 212 calls of init:
 *   standard/setupUser
 *     setresgid(1000, 1000, 1000)
 *     setresuid(1000, 1000, 1000) = -1 EPERM
 *   (outside of a step)
 *     exit_group(1) …
 * ```
 */
export const trail = (checked: Checked<unknown, unknown>, side?: string): string => {
  const all = side === undefined ? checked.calls : checked.calls.filter((entry) => entry.side === side)
  const last = all.slice(-checked.shown)
  if (last.length === 0) return "no call was made"
  const of = side === undefined ? "" : ` of ${side}`
  const out = [last.length === all.length ? `the calls${of}:` : `the last ${last.length} of ${all.length} calls${of}:`]
  let head = ""
  for (const entry of last) {
    const step = entry.step === ""
      ? "(outside of a step)"
      : `${entry.undoing ? "undo " : ""}${entry.pipeline}/${entry.step}`
    const place = side === undefined ? `${entry.side}: ${step}` : step
    if (place !== head) out.push(`  ${place}`)
    head = place
    out.push(`    ${callText(entry)}`)
  }
  return out.join("\n")
}

const fail = (
  checked: Checked<unknown, unknown>,
  what: string,
  lines: ReadonlyArray<string>,
  side?: string
): never => {
  throw new CheckFailed([what, ...lines.map((line) => `  ${line}`), "", trail(checked, side)].join("\n"))
}

/** The innermost failure of a pipeline: where it began. */
const innermost = (error: unknown): unknown =>
  error instanceof PipelineError && error.reason instanceof PipelineError ? innermost(error.reason) : error

/** The process in which a failure began; absent where that can't be told. */
const sideOf = ({ calls }: Checked<unknown, unknown>, error: unknown): string | undefined => {
  const first = innermost(error)
  return first instanceof PipelineError
    ? calls.findLast(({ pipeline, step }) => pipeline === first.pipeline && step === first.step)?.side
    : calls.at(-1)?.side
}

const indented = (text: string): ReadonlyArray<string> => text.split("\n")

// ── how it ended ─────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * It must have succeeded; gives the result.
 *
 * **Example** (What a failure looks like)
 *
 * ```text
 * it failed:
 *   standard: setupUser: setresuid(1000, 1000, 1000) = -1 EPERM (Operation not permitted)
 *     what to do: changing the user needs CAP_SETUID and CAP_SETGID: run as root, or …
 *
 * the last 12 of 212 calls of init:
 *   …
 * ```
 */
export const succeeded = <A, E>(checked: Checked<A, E>): A => {
  if (Exit.isSuccess(checked.exit)) return checked.exit.value
  const error = Cause.squash(checked.exit.cause)
  const text = error instanceof Error ? error.message : String(error)
  return fail(checked, "it failed:", indented(text), sideOf(checked, error))
}

/** How a run must fail; what is not given may be anything. */
export interface Failure {
  /** The step in which the failure began, in whatever process. */
  readonly step?: string
  /** The errno at the bottom. */
  readonly code?: Errno
  /** A part of the message. */
  readonly message?: string
  /** The steps of the outermost pipeline that were undone, in the order in which that was done. */
  readonly undone?: ReadonlyArray<string>
}

const bottom = (error: unknown): unknown =>
  typeof error === "object" && error !== null && "reason" in error && error.reason instanceof Error
    ? bottom(error.reason)
    : error

const codeOf = (error: unknown): unknown => {
  const found = bottom(error)
  return found instanceof SyscallError || (typeof found === "object" && found !== null && "code" in found)
    ? found.code
    : undefined
}

/**
 * It must have failed, with a typed error and no defect; gives the error.
 *
 * **Example** (A fault, and what it must lead to)
 *
 * ```ts
 * const checked = Check.run(start, { machine, faults: Faults.failWhen(({ _tag }) => _tag === "pivot_root", "EPERM") })
 * Check.failed(checked, { step: "enterRoot", code: "EPERM" })
 * Check.unchanged(checked)
 * ```
 */
export const failed = <A, E>(checked: Checked<A, E>, expected: Failure = {}): E => {
  if (Exit.isSuccess(checked.exit)) return fail(checked, "it succeeded, and should have failed", [])
  const { cause } = checked.exit
  const error = cause.reasons.find(Cause.isFailReason)?.error
  if (error === undefined || Cause.hasDies(cause)) {
    const defect = Cause.squash(cause)
    return fail(
      checked,
      "it did not fail, but died:",
      indented(defect instanceof Error ? defect.message : String(cause))
    )
  }
  const first = innermost(error)
  const message = error instanceof Error ? error.message : String(error)
  const actual = {
    step: first instanceof PipelineError ? first.step : undefined,
    code: codeOf(error),
    undone: error instanceof PipelineError ? error.undone : undefined
  }
  const { message: part, ...rest } = expected
  const wrong = [
    ...differences(actual, rest),
    ...part === undefined || message.includes(part) ? [] : [`its message does not hold ${JSON.stringify(part)}`]
  ]
  if (wrong.length > 0) {
    fail(checked, "it failed otherwise than expected:", [...wrong, ...indented(message)], sideOf(checked, error))
  }
  return error
}

// ── what there is after it ───────────────────────────────────────────────────────────────────────────────────────────

/** A value of which some parts are told; maps by some of their keys. */
export type Part<T> = T extends bigint | number | string | boolean | null | undefined | Uint8Array ? T
  : T extends ReadonlyMap<infer K, infer V> ? ReadonlyMap<K, Part<V>>
  : T extends ReadonlyArray<infer V> ? ReadonlyArray<Part<V>>
  : { readonly [K in keyof T]?: Part<T[K]> }

const capabilitySets = new Set(["effective", "permitted", "inheritable", "bounding", "ambient"])

const valueText = (value: unknown, key: string): string => {
  if (typeof value === "bigint") {
    if (!capabilitySets.has(key)) return String(value)
    const held = Array.from({ length: 64 }, (_, number) => number).filter((number) => value >> BigInt(number) & 1n)
    return held.length > 38 ? `0x${value.toString(16)}` : `{${held.map(nameOf).join(", ")}}`
  }
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString("utf8"))
  if (value instanceof Map) return `a map of ${[...value.keys()].join(", ") || "nothing"}`
  if (value === undefined) return "nothing"
  const text = JSON.stringify(
    value,
    (_, part) => typeof part === "bigint" ? String(part) : part instanceof Map ? [...part.keys()] : part
  )
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map) &&
  !(value instanceof Uint8Array)

/**
 * The parts in which a value differs from an expected one, a line each. Of objects and maps only what is expected is
 * looked at; with `whole`, also what is there beyond that.
 *
 * **Example** (Capability sets by name)
 *
 * ```ts
 * Check.differences({ uid: 0, ambient: 32n }, { uid: 1000, ambient: 0n })
 * // ["uid: 0 in place of 1000", "ambient: {CAP_KILL} in place of {}"]
 * ```
 */
export const differences = (
  actual: unknown,
  expected: unknown,
  { whole = false }: { readonly whole?: boolean } = {}
): ReadonlyArray<string> => {
  const visit = (actual: unknown, expected: unknown, path: string, key: string): ReadonlyArray<string> => {
    if (Object.is(actual, expected)) return []
    const at = (name: string): string => path === "" ? name : `${path}.${name}`
    if (actual instanceof Map && expected instanceof Map) {
      const keys = whole ? new Set([...expected.keys(), ...actual.keys()]) : expected.keys()
      return [...keys].flatMap((name) => visit(actual.get(name), expected.get(name), at(String(name)), String(name)))
    }
    if (Array.isArray(actual) && Array.isArray(expected) && actual.length === expected.length) {
      return expected.flatMap((value, index) => visit(actual[index], value, `${path}[${index}]`, key))
    }
    if (isRecord(actual) && isRecord(expected)) {
      const keys = whole ? new Set([...Object.keys(expected), ...Object.keys(actual)]) : Object.keys(expected)
      return [...keys].flatMap((name) => visit(actual[name], expected[name], at(name), name))
    }
    const [is, wanted] = [valueText(actual, key), valueText(expected, key)]
    const same = actual instanceof Uint8Array && expected instanceof Uint8Array &&
      Buffer.compare(actual, expected) === 0
    return same ? [] : [`${path === "" ? "" : `${path}: `}${is} in place of ${wanted}`]
  }
  return visit(actual, expected, "", "")
}

/**
 * A program must have been executed, the last one as expected; gives it.
 *
 * **Example** (What a failure looks like)
 *
 * ```text
 * the program was not started as expected:
 *   process.creds.uid: 0 in place of 1000
 *   process.creds.bounding: {CAP_CHOWN, CAP_KILL} in place of {CAP_KILL}
 *
 * the last 12 of 212 calls of init:
 *   …
 * ```
 */
export const program = (checked: Checked<unknown, unknown>, expected: Part<Executed> = {}): Executed => {
  const executed = checked.executed.at(-1)
  if (executed === undefined) {
    if (Exit.isFailure(checked.exit)) succeeded(checked)
    return fail(checked, "no program was executed", [])
  }
  const wrong = differences(executed, expected)
  const side = checked.calls.findLast(({ call, outcome }) =>
    (call._tag === "execve" || call._tag === "execveat") && outcome._tag === "Pending"
  )?.side
  if (wrong.length > 0) fail(checked, "the program was not started as expected:", wrong, side)
  return executed
}

/**
 * A part of the machine must be as expected after the run.
 *
 * **Example** (The mode of a file)
 *
 * ```ts
 * Check.state(checked, "the host's name", ({ namespaces }) => namespaces.get(uts), { nodename: "web" })
 * ```
 */
export const state = <T>(
  checked: Checked<unknown, unknown>,
  what: string,
  pick: (state: State) => T,
  expected: Part<T>
): void => {
  const wrong = differences(pick(checked.after), expected)
  if (wrong.length > 0) fail(checked, `${what} is not as expected:`, wrong)
}

/** A table of the machine; of `nodes` those that a path leads to, of `mounts` those in the namespace of some process. */
export type Table = "cgroups" | "files" | "links" | "mounts" | "nodes" | "processes" | "routes" | "sockets" | "sysctls"

/** The tables that {@link unchanged} looks at unless it is told which. */
export const tables: ReadonlyArray<Table> = [
  "cgroups",
  "files",
  "links",
  "mounts",
  "nodes",
  "processes",
  "routes",
  "sockets",
  "sysctls"
]

/** The nodes of mounted file systems that have a name; a node without one is there only for those who hold it open. */
const named = (state: State): ReadonlyMap<unknown, unknown> => {
  const found = new Map<unknown, unknown>()
  const visit = (id: number | string): void => {
    const node = typeof id === "number" && !found.has(id) ? state.nodes.get(id) : undefined
    if (node === undefined) return
    found.set(id, node)
    if (node.content._tag === "Directory") { for (const entry of node.content.entries.values()) visit(entry) }
  }
  for (const { fs, root } of state.mounts.values()) {
    visit(root)
    visit(state.fileSystems.get(fs)?.root ?? "")
  }
  return found
}

const rowsOf = (state: State, table: Table): ReadonlyMap<unknown, unknown> => {
  if (table === "nodes") return named(state)
  const rows = new Map<unknown, unknown>(state[table])
  if (table !== "mounts") return rows
  const used = new Set([...state.processes.values()].map(({ ns }) => ns.mnt))
  for (const [id, { ns }] of state.mounts) if (!used.has(ns)) rows.delete(id)
  return rows
}

/**
 * The run must have left the machine as it was: after a failure that was rolled back, or after the removal of what was
 * made.
 */
export const unchanged = (checked: Checked<unknown, unknown>, only: ReadonlyArray<Table> = tables): void => {
  const wrong = only.flatMap((table) => {
    const pick = (state: State) => ({ [table]: rowsOf(state, table) })
    return differences(pick(checked.after), pick(checked.before), { whole: true })
  })
  if (wrong.length > 0) fail(checked, "the machine is not as it was before:", wrong)
}

/**
 * These calls must have been made in this order, others between them or not; a step's name with a colon says by whom.
 *
 * **Example** (Nothing is masked before the root is entered)
 *
 * ```ts
 * Check.order(checked, ["enterRoot: pivot_root", "maskPaths: move_mount", "execveat"])
 * ```
 */
export const order = (
  checked: Checked<unknown, unknown>,
  wanted: ReadonlyArray<CallName | `${string}: ${CallName}`>
): void => {
  let from = 0
  for (const [index, one] of wanted.entries()) {
    const [step, name] = one.includes(": ") ? one.split(": ") : [undefined, one]
    const is = ({ call, step: by }: Recorder.Entry): boolean =>
      call._tag === name && (step === undefined || by === step)
    const found = checked.calls.findIndex((entry, at) => at >= from && is(entry))
    if (found < 0) {
      const earlier = checked.calls.some(is)
      const place = index === 0 ? "" : ` after ${wanted[index - 1]}`
      fail(checked, `there is no ${one}${place}${earlier ? ", only before" : ""}`, [])
    }
    from = found + 1
  }
}

/**
 * The calls of a run as a plan; `pipelines` tell what their steps are for.
 *
 * **Example** (Written beside the test, to compare with later)
 *
 * ```ts
 * fs.writeFileSync("web.plan.json", Plan.toText(Check.plan(checked, { pipelines: [create, standard] })))
 * ```
 */
export const plan = (
  checked: Checked<unknown, unknown>,
  options: { readonly title?: string; readonly pipelines?: ReadonlyArray<Pipeline.Any> } = {}
): Plan.Plan =>
  Plan.make({
    title: options.title ?? "",
    record: checked.calls.filter(({ step }) => step !== ""),
    pipelines: options.pipelines ?? [],
    ...Exit.isFailure(checked.exit) ? { error: Cause.squash(checked.exit.cause) } : {}
  })

/**
 * The calls must be those of an expected plan; see `PlanDiff` for the text of a difference.
 *
 * **Example** (A plan that is kept beside the test)
 *
 * ```ts
 * const expected = Effect.runSync(Plan.fromText(fs.readFileSync("web.plan.json", "utf8")))
 * Check.planned(checked, expected)
 * ```
 */
export const planned = (checked: Checked<unknown, unknown>, expected: Plan.Plan): void => {
  const changes = PlanDiff.diff(expected, plan(checked))
  if (changes.length === 0) return
  throw new CheckFailed(`these calls are not those of the expected plan:\n${PlanDiff.render(changes)}`)
}
