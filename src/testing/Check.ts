/**
 * Runs a step, a pipeline or a whole flow on a model machine, and checks the outcome. A check that fails throws an error.
 * Its text shows what differs, and the calls that led there: step, arguments, result.
 *
 * It needs no root, no Linux and no test framework. Any framework shows the text.
 *
 * **Example** (A flow, in vitest or in `node:test`)
 *
 * ```ts
 * const checked = Check.run(start, { machine: { files: { "/srv/web/bin/server": { mode: 0o755 } } } })
 * Check.program(checked, { path: "/bin/server", process: { creds: { uid: 1000, noNewPrivs: true } } })
 * ```
 *
 * @category checks
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { textOf } from "../engine/errorText.ts"
import type * as Pipeline from "../engine/Pipeline.ts"
import { innermost, PipelineError } from "../engine/PipelineError.ts"
import * as Plan from "../engine/Plan.ts"
import type { Executed, State } from "../model/State.ts"
import type { Errno } from "../native/Errno.ts"
import { type CallName, SyscallError } from "../native/Kernel.ts"
import { differences, type Part } from "./differences.ts"
import * as PlanDiff from "./PlanDiff.ts"
import type * as Recorder from "./Recorder.ts"
import type { Checked } from "./running.ts"
import { type Seen, seenBy } from "./Seen.ts"
import { trail } from "./trail.ts"

export { differences, type Part } from "./differences.ts"
export { type Checked, type Options, run, runPromise } from "./running.ts"
export type { Seen } from "./Seen.ts"
export { trail } from "./trail.ts"

// -- a check that does not hold ---------------------------------------------------------------------------------------

/**
 * A check that does not hold.
 *
 * @category errors
 */
export class CheckFailed extends Error {
  override readonly name = "CheckFailed"
}

const fail = (
  checked: Checked<unknown, unknown>,
  what: string,
  lines: ReadonlyArray<string>,
  side?: string
): never => {
  throw new CheckFailed([what, ...lines.map((line) => `  ${line}`), "", trail(checked, side)].join("\n"))
}

/** The process in which a failure began; `undefined` if that can't be determined. */
const sideOf = ({ calls }: Checked<unknown, unknown>, error: unknown): string | undefined => {
  if (!(error instanceof PipelineError)) return calls.at(-1)?.side
  const first = innermost(error)
  return calls.findLast(({ pipeline, step }) => pipeline === first.pipeline && step === first.step)?.side
}

const indented = (text: string): ReadonlyArray<string> => text.split("\n")

// -- how it ended -----------------------------------------------------------------------------------------------------

/**
 * Checks that the run succeeded; returns its result.
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
  const text = textOf(error)
  return fail(checked, "it failed:", indented(text), sideOf(checked, error))
}

/**
 * How a run must fail. A field that is absent may have any value.
 *
 * @category models
 */
export interface Failure {
  /** The step in which the failure began, in whatever process. */
  readonly step?: string
  /** The errno at the bottom. */
  readonly code?: Errno
  /** A part of the message. */
  readonly message?: string
  /** The steps of the outermost pipeline that were undone, in the order of undoing. */
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
 * Checks that the run failed, with a typed error and not a defect; returns the error.
 *
 * **Example** (A fault, and what it must lead to)
 *
 * ```ts
 * const checked = Check.run(start, { machine, faults: Faults.failWhen(({ _tag }) => _tag === "pivot_root", "EPERM") })
 * Check.failed(checked, { step: "enterRoot", code: "EPERM" })
 * Check.unchanged(checked)
 * ```
 */
export const failed: {
  /** An error that names a step, or what was undone, is that of a pipeline. */
  <A, E>(
    checked: Checked<A, E>,
    expected: Failure & ({ readonly step: string } | { readonly undone: ReadonlyArray<string> })
  ): Extract<E, PipelineError<unknown>>
  <A, E>(checked: Checked<A, E>, expected?: Failure): E
} = <A, E>(checked: Checked<A, E>, expected: Failure = {}): E => {
  if (Exit.isSuccess(checked.exit)) return fail(checked, "it succeeded, and should have failed", [])
  const { cause } = checked.exit
  const error = cause.reasons.find(Cause.isFailReason)?.error
  if (error === undefined || Cause.hasDies(cause)) {
    const defect = Cause.squash(cause)
    const text = defect instanceof Error ? defect.message : String(cause)
    return fail(checked, "it did not fail, but died:", indented(text))
  }
  const message = textOf(error)
  const actual = {
    step: error instanceof PipelineError ? innermost(error).step : undefined,
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

// -- what there is after it -------------------------------------------------------------------------------------------

/**
 * Checks that a program was executed, and that the last one is as expected; returns it.
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
 * What the last executed program saw, or the last one with a path: its sandbox from inside.
 *
 * **Example** (No network but the loopback)
 *
 * ```ts
 * const seen = Check.seen(checked)
 * expect(seen.interfaces.map(({ name }) => name)).toEqual(["lo"])
 * expect(seen.limits.processes).toBe(64)
 * ```
 *
 * @since 0.2.0
 */
export const seen = (checked: Checked<unknown, unknown>, path?: string): Seen => {
  const executed = path === undefined ? program(checked) : checked.executed.findLast((one) => one.path === path)
  return executed === undefined
    ? fail(checked, `${path} was not executed`, [])
    : seenBy(executed, checked.model.at(executed))
}

/**
 * Checks that a part of the machine is as expected after the run.
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

/**
 * A table of the machine. Of `nodes`, those that a path leads to; of `mounts`, those in the namespace of a process.
 *
 * @category models
 */
export type Table = "cgroups" | "files" | "links" | "mounts" | "nodes" | "processes" | "routes" | "sockets" | "sysctls"

/** The tables that {@link unchanged} compares by default. */
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

/** The nodes of mounted file systems that have a name. A node without a name exists only for those who hold it open. */
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

const rowsOf = (state: State, table: Table): ReadonlyMap<unknown, unknown> =>
  table === "nodes" ? named(state) : state[table]

/**
 * Checks that the machine is as it was before the run: after a failure that was rolled back, or after everything was
 * removed.
 */
export const unchanged = (checked: Checked<unknown, unknown>, only: ReadonlyArray<Table> = tables): void => {
  const wrong = only.flatMap((table) => {
    const pick = (state: State) => ({ [table]: rowsOf(state, table) })
    return differences(pick(checked.after), pick(checked.before), { whole: true })
  })
  if (wrong.length > 0) fail(checked, "the machine is not as it was before:", wrong)
}

/**
 * Checks that these calls were made in this order; others may come between them. A step's name and a colon before a call
 * say which step must make it.
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
 * The calls of a run as a plan. The rows show the descriptions of the steps of `pipelines`.
 *
 * **Example** (Written next to the test, to compare with later)
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
 * Checks that the calls are those of an expected plan; see `PlanDiff` for the text of a difference.
 *
 * **Example** (A plan that is kept next to the test)
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
