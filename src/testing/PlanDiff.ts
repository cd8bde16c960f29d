/**
 * The smallest difference of two plans: steps that are new, gone or moved, calls that are new or gone, and the arguments of
 * calls that changed.
 *
 * Each process is compared separately, so which of two processes runs first is not a difference.
 *
 * **Example** (A plan that is kept next to a test)
 *
 * ```ts
 * const expected = yield* Plan.fromText(fs.readFileSync("web.plan.json", "utf8"))
 * assert.strictEqual(PlanDiff.render(PlanDiff.diff(expected, plan)), "")
 * ```
 *
 * @category plans
 * @since 0.1.0
 */
import { isDeepStrictEqual } from "node:util"
import type { Plan, PlannedCall, Row } from "../engine/Plan.ts"
import { append } from "../engine/planRows.ts"
import { type DocumentChange, documentChanges } from "./documents.ts"
import { outcomeText, plain, render, type RenderOptions } from "./planDiffText.ts"

export type { DocumentChange } from "./documents.ts"
export { render, type RenderOptions } from "./planDiffText.ts"

/** Where a change is: the process, and the step. */
export interface Place {
  readonly side: string
  readonly pipeline: string
  readonly step: string
  /** Whether it is the undoing of the step. */
  readonly undoing: boolean
}

/** An argument that changed; `undefined` if it is absent. */
export interface ArgumentChange {
  readonly name: string
  readonly expected: unknown
  readonly actual: unknown
  /** Of documents (JSON), what differs in them. */
  readonly document?: ReadonlyArray<DocumentChange>
}

/** One change. `after` is the step before it in the same process; `undefined` for the first. */
export type Change =
  | {
    readonly _tag: "StepAdded" | "StepRemoved"
    readonly place: Place
    readonly after: string | undefined
    readonly calls: ReadonlyArray<PlannedCall>
  }
  | {
    readonly _tag: "StepMoved"
    readonly place: Place
    readonly expectedAfter: string | undefined
    readonly after: string | undefined
  }
  | { readonly _tag: "CallAdded" | "CallRemoved"; readonly place: Place; readonly call: PlannedCall }
  | {
    readonly _tag: "CallChanged"
    readonly place: Place
    readonly expected: PlannedCall
    readonly actual: PlannedCall
    readonly args: ReadonlyArray<ArgumentChange>
  }

// -- steps ------------------------------------------------------------------------------------------------------------

interface Step {
  readonly key: string
  readonly place: Place
  readonly calls: ReadonlyArray<PlannedCall>
}

const placeOf = ({ pipeline, side, step, undoing }: Row): Place => ({ side, pipeline, step, undoing })

/** The steps of one process. Rows that were separated by calls of another process are joined. */
const stepsOf = ({ rows }: Plan, side: string): ReadonlyArray<Step> => {
  const steps: Array<{ readonly name: string; readonly place: Place; readonly calls: Array<PlannedCall> }> = []
  for (const row of rows) {
    if (row.side !== side) continue
    const name = `${row.pipeline}/${row.step}/${row.undoing}`
    const last = steps.at(-1)
    const step = last?.name === name ? last : { name, place: placeOf(row), calls: [] }
    if (step !== last) steps.push(step)
    // a wait that calls of another process have split is still one wait
    for (const call of row.calls) append(step.calls, call)
  }
  const seen = new Map<string, number>()
  return steps.map(({ calls, name, place }) => {
    const number = (seen.get(name) ?? 0) + 1
    seen.set(name, number)
    return { key: `${name}/${number}`, place, calls }
  })
}

/** The longest common subsequence, as pairs of indexes. */
const common = <A>(
  left: ReadonlyArray<A>,
  right: ReadonlyArray<A>,
  same: (a: A, b: A) => boolean
): ReadonlyArray<readonly [number, number]> => {
  const width = right.length + 1
  const lengths = new Uint32Array((left.length + 1) * width)
  const at = (i: number, j: number): number => lengths[i * width + j]!
  for (let i = left.length - 1; i >= 0; i--) {
    for (let j = right.length - 1; j >= 0; j--) {
      lengths[i * width + j] = same(left[i]!, right[j]!) ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
    }
  }
  const pairs: Array<readonly [number, number]> = []
  for (let i = 0, j = 0; i < left.length && j < right.length;) {
    if (same(left[i]!, right[j]!)) pairs.push([i++, j++])
    else if (at(i + 1, j) >= at(i, j + 1)) i++
    else j++
  }
  return pairs
}

const before = (steps: ReadonlyArray<Step>, index: number): string | undefined => steps[index - 1]?.place.step

const diffSide = (expected: ReadonlyArray<Step>, actual: ReadonlyArray<Step>): ReadonlyArray<Change> => {
  const kept = new Set(common(expected, actual, (a, b) => a.key === b.key).map(([index]) => expected[index]!.key))
  const old = new Map(expected.map((step, index) => [step.key, { step, index }]))
  const now = new Set(actual.map(({ key }) => key))
  const removed = expected.flatMap((step, index): ReadonlyArray<Change> =>
    now.has(step.key) ? [] : [{
      _tag: "StepRemoved",
      place: step.place,
      after: before(expected, index),
      calls: step.calls
    }]
  )
  const rest = actual.flatMap((step, index): ReadonlyArray<Change> => {
    const { calls, key, place } = step
    const after = before(actual, index)
    const was = old.get(key)
    if (was === undefined) return [{ _tag: "StepAdded", place, after, calls }]
    return [
      ...kept.has(key)
        ? []
        : [{ _tag: "StepMoved", place, expectedAfter: before(expected, was.index), after } as const],
      ...diffCalls(place, was.step.calls, calls)
    ]
  })
  return [...removed, ...rest]
}

// -- calls ------------------------------------------------------------------------------------------------------------

/** An argument by its name, since numbers differ from run to run. */
const argument = ({ args, names }: PlannedCall, name: string): unknown => names?.[name] ?? args[name]

const sameCall = (a: PlannedCall, b: PlannedCall): boolean =>
  a.name === b.name && changedArguments(a, b).length === 0 && outcomeText(a) === outcomeText(b)

const changedArguments = (expected: PlannedCall, actual: PlannedCall): ReadonlyArray<ArgumentChange> =>
  [...new Set([...Object.keys(expected.args), ...Object.keys(actual.args)])].flatMap((name) => {
    const [old, now] = [argument(expected, name), argument(actual, name)]
    if (isDeepStrictEqual(old, now)) return []
    const [before, after] = [plain(old), plain(now)]
    const document = typeof before === "string" && typeof after === "string"
      ? documentChanges(before, after)
      : undefined
    if (document?.length === 0) return []
    return [{ name, expected: old, actual: now, ...document === undefined ? {} : { document } }]
  })

/** Compares the calls between two that both plans have. Calls of one name that are in both are one call that changed. */
const diffGap = (
  place: Place,
  expected: ReadonlyArray<PlannedCall>,
  actual: ReadonlyArray<PlannedCall>
): ReadonlyArray<Change> => {
  const changes: Array<Change> = []
  let i = 0
  let j = 0
  for (const [old, now] of common(expected, actual, (a, b) => a.name === b.name)) {
    while (i < old) changes.push({ _tag: "CallRemoved", place, call: expected[i++]! })
    while (j < now) changes.push({ _tag: "CallAdded", place, call: actual[j++]! })
    const [was, is] = [expected[i++]!, actual[j++]!]
    changes.push({ _tag: "CallChanged", place, expected: was, actual: is, args: changedArguments(was, is) })
  }
  while (i < expected.length) changes.push({ _tag: "CallRemoved", place, call: expected[i++]! })
  while (j < actual.length) changes.push({ _tag: "CallAdded", place, call: actual[j++]! })
  return changes
}

const diffCalls = (
  place: Place,
  expected: ReadonlyArray<PlannedCall>,
  actual: ReadonlyArray<PlannedCall>
): ReadonlyArray<Change> => {
  const changes: Array<Change> = []
  let [i, j] = [0, 0]
  for (const [old, now] of [...common(expected, actual, sameCall), [expected.length, actual.length] as const]) {
    changes.push(...diffGap(place, expected.slice(i, old), actual.slice(j, now)))
    ;[i, j] = [old + 1, now + 1]
  }
  return changes
}

/** What differs from the expected plan, process by process, in the order of the plan. */
export const diff = (expected: Plan, actual: Plan): ReadonlyArray<Change> =>
  [...new Set([...actual.rows, ...expected.rows].map(({ side }) => side))].flatMap((side) =>
    diffSide(stepsOf(expected, side), stepsOf(actual, side))
  )

// -- text -------------------------------------------------------------------------------------------------------------

const ending = (plan: Plan): ReadonlyArray<string> => [
  ...plan.fails === undefined ? [] : [`fails: ${plan.fails.step}: ${plan.fails.error}`],
  ...(plan.containers ?? []).map(({ id, what, why }) => `container ${id}: ${what}: ${why}`),
  ...(plan.stays ?? []).map((line) => `stays: ${line}`)
]

/**
 * Returns the differences of two plans as text: of their calls, their end, what becomes of containers, and what stays; empty if there are none.
 *
 * @since 0.2.0
 */
export const between = (expected: Plan, actual: Plan, options: RenderOptions = {}): string => {
  const [old, now] = [ending(expected), ending(actual)]
  const ends = [
    ...old.filter((line) => !now.includes(line)).map((line) => `  - ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `  + ${line}`)
  ]
  return [render(diff(expected, actual), options), ...ends.length === 0 ? [] : [["at the end", ...ends].join("\n")]]
    .filter((text) => text !== "").join("\n")
}
