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
 */
import { isDeepStrictEqual } from "node:util"
import type { Plan, PlannedCall, Row } from "../engine/Plan.ts"
import { append } from "../engine/planRows.ts"

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

// ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────

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

// ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────────

const outcomeText = ({ outcome }: PlannedCall): string =>
  outcome._tag === "Failed" ? ` = -1 ${outcome.code}` : outcome._tag === "Ends" ? " …" : ""

/** An argument by its name, since numbers differ from run to run. */
const argument = ({ args, names }: PlannedCall, name: string): unknown => names?.[name] ?? args[name]

const sameCall = (a: PlannedCall, b: PlannedCall): boolean =>
  a.name === b.name && changedArguments(a, b).length === 0 && outcomeText(a) === outcomeText(b)

const changedArguments = (expected: PlannedCall, actual: PlannedCall): ReadonlyArray<ArgumentChange> =>
  [...new Set([...Object.keys(expected.args), ...Object.keys(actual.args)])].flatMap((name) => {
    const [old, now] = [argument(expected, name), argument(actual, name)]
    return isDeepStrictEqual(old, now) ? [] : [{ name, expected: old, actual: now }]
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

// ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const behind = (step: string | undefined): string => step === undefined ? "first" : `after ${step || "(no step)"}`

const valueText = (value: unknown): string => {
  if (value === undefined) return "nothing"
  if (typeof value === "object" && value !== null) {
    if ("$bigint" in value) return String(value.$bigint)
    if ("$bytes" in value) return JSON.stringify(Buffer.from(String(value.$bytes), "base64").toString("utf8"))
  }
  return JSON.stringify(value)
}

/** How many characters of two long texts are shown on either side of their difference. */
const around = 24

/** Shows the change of a text; of long texts the part around the difference. */
const changeText = (old: string, now: string): string => {
  if (Math.max(old.length, now.length) <= 160) return `${old} → ${now}`
  let start = 0
  while (start < old.length && old[start] === now[start]) start++
  let end = 0
  const most = Math.min(old.length, now.length) - start
  while (end < most && old[old.length - 1 - end] === now[now.length - 1 - end]) end++
  const from = Math.max(0, start - around)
  const part = (text: string): string => {
    const to = Math.min(text.length, text.length - end + around)
    return `${from > 0 ? "…" : ""}${text.slice(from, to)}${to < text.length ? "…" : ""}`
  }
  return `${part(old)} → ${part(now)}`
}

const line = (sign: string, call: PlannedCall): string => `  ${sign} ${call.text}${outcomeText(call)}`

const changeLines = (change: Change): ReadonlyArray<string> => {
  switch (change._tag) {
    case "StepAdded":
      return [`  is new, ${behind(change.after)}`, ...change.calls.map((call) => line("+", call))]
    case "StepRemoved":
      return [`  is gone; it was ${behind(change.after)}`, ...change.calls.map((call) => line("-", call))]
    case "StepMoved":
      return [`  has moved: it was ${behind(change.expectedAfter)}, and is ${behind(change.after)}`]
    case "CallAdded":
      return [line("+", change.call)]
    case "CallRemoved":
      return [line("-", change.call)]
    case "CallChanged":
      return [
        line("~", change.actual),
        ...change.args.map(({ actual, expected, name }) =>
          `      ${name}: ${changeText(valueText(expected), valueText(actual))}`
        ),
        ...outcomeText(change.expected) === outcomeText(change.actual) ? [] : [
          `      outcome:${outcomeText(change.expected) || " success"} →${outcomeText(change.actual) || " success"}`
        ]
      ]
  }
}

const title = ({ pipeline, side, step, undoing }: Place): string =>
  `${side}: ${step === "" ? "outside of a step" : `${undoing ? "undo " : ""}${pipeline}/${step}`}`

/**
 * Prints changes; the empty string if there are none.
 *
 * **Example** (Its look)
 *
 * ```text
 * init: standard/setHostname
 *   ~ sethostname("web2")
 *       name: "web" → "web2"
 * init: standard/maskPaths
 *   has moved: it was after readonlyPaths, and is after enterRoot
 * init: standard/announce
 *   is new, after findProgram
 *   + write(2, "web: /bin/server\n")
 * ```
 */
export const render = (changes: ReadonlyArray<Change>): string => {
  const out: Array<string> = []
  let last: string | undefined
  for (const change of changes) {
    const head = title(change.place)
    if (head !== last) out.push(head)
    last = head
    out.push(...changeLines(change))
  }
  return out.join("\n")
}

const ending = (plan: Plan): ReadonlyArray<string> => [
  ...plan.fails === undefined ? [] : [`fails: ${plan.fails.step}: ${plan.fails.error}`],
  ...(plan.stays ?? []).map((line) => `stays: ${line}`)
]

/** The difference of two plans as text: of their calls, their ends, and what stays; the empty string if there is none. */
export const between = (expected: Plan, actual: Plan): string => {
  const [old, now] = [ending(expected), ending(actual)]
  const ends = [
    ...old.filter((line) => !now.includes(line)).map((line) => `  - ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `  + ${line}`)
  ]
  return [render(diff(expected, actual)), ...ends.length === 0 ? [] : [["at the end", ...ends].join("\n")]]
    .filter((text) => text !== "").join("\n")
}
