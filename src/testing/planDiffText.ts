/**
 * The difference of two plans as text, in as few lines as it takes: a document that is written several times is told once, of a
 * list its elements, and of calls that only look how many there are.
 *
 * @category checks
 * @since 0.2.0
 */
import type { PlannedCall } from "../engine/Plan.ts"
import { onlyLooks } from "../engine/planSummary.ts"
import { type DocumentChange, onlyIn } from "./documents.ts"
import type { ArgumentChange, Change, Place } from "./PlanDiff.ts"

/** How it is printed. */
export interface RenderOptions {
  /** Whether calls that only look are listed, too. */
  readonly all?: boolean
}

type Lines = ReadonlyArray<string>

/** How a call has ended, if that is to be told. */
export const outcomeText = ({ outcome }: PlannedCall): string =>
  outcome._tag === "Failed" ? ` = -1 ${outcome.code}` : outcome._tag === "Ends" ? " …" : ""

const behind = (step: string | undefined): string => step === undefined ? "first" : `after ${step || "(no step)"}`

// -- values -----------------------------------------------------------------------------------------------------------

/** What an argument or a part of a document is as text: bytes as what they hold. */
export const plain = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null) return value
  if ("$bigint" in value) return BigInt(String(value.$bigint))
  if ("$bytes" in value) return Buffer.from(String(value.$bytes), "base64").toString("utf8")
  return value
}

/** How long a value may be in a line. */
const longest = 100

const valueText = (value: unknown): string => {
  const found = plain(value)
  if (found === undefined) return "nothing"
  return typeof found === "bigint"
    ? String(found)
    : JSON.stringify(found, (_, part: unknown) => typeof part === "bigint" ? Number(part) : part)
}

const short = (value: unknown): string => {
  const text = valueText(value)
  return text.length <= longest ? text : `${text.slice(0, longest)}…`
}

/** How much of two long texts that differ is shown on either side of the difference. */
const around = 24

/** From one text to another; of long ones what is around their difference. */
const textChange = (old: string, now: string): string => {
  if (Math.max(old.length, now.length) <= longest) return `${old} → ${now}`
  let start = 0
  while (start < old.length && old[start] === now[start]) start++
  let end = 0
  const most = Math.min(old.length, now.length) - start
  while (end < most && old[old.length - 1 - end] === now[now.length - 1 - end]) end++
  const from = Math.max(0, start - around)
  const part = (text: string): string => {
    const to = Math.min(text.length, text.length - end + around, from + 2 * longest)
    return `${from > 0 ? "…" : ""}${text.slice(from, to)}${to < text.length ? "…" : ""}`
  }
  return `${part(old)} → ${part(now)}`
}

const changeText = (expected: unknown, actual: unknown): string => {
  if (expected === undefined) return `is new: ${short(actual)}`
  if (actual === undefined) return `is gone: ${short(expected)}`
  if (Array.isArray(expected) && Array.isArray(actual)) {
    const [gone, come] = [onlyIn(expected, actual), onlyIn(actual, expected)]
    const one = gone.length === 1 && come.length === 1 && expected.length === actual.length
    if (one) return textChange(valueText(gone[0]), valueText(come[0]))
    const parts = [
      ...gone.map((element) => `is gone: ${short(element)}`),
      ...come.map((element) => `is new: ${short(element)}`)
    ]
    return parts.length === 0 ? `in another order: ${short(actual)}` : parts.join(", ")
  }
  return textChange(valueText(expected), valueText(actual))
}

// -- calls ------------------------------------------------------------------------------------------------------------

const line = (sign: string, call: PlannedCall): string => `  ${sign} ${call.text}${outcomeText(call)}`

/** Calls that came or went. What only looks is counted, unless all is asked for. */
const callLines = (sign: "+" | "-", calls: ReadonlyArray<PlannedCall>, all: boolean): Lines => {
  const isTold = (call: PlannedCall) => all || call.outcome._tag === "Failed" || !onlyLooks(call)
  const told = calls.filter(isTold)
  const looks = calls.length - told.length
  return [
    ...told.map((call) => line(sign, call)),
    ...looks === 0 ? [] : [`  ${sign} ${looks === 1 ? "a call that only looks" : `${looks} calls that only look`}`]
  ]
}

/** How many changes of a document are told. */
const most = 10

const documentLines = (changes: ReadonlyArray<DocumentChange>): Lines => [
  ...changes.slice(0, most).map(({ actual, expected, path }) => `      ${path}: ${changeText(expected, actual)}`),
  ...changes.length <= most ? [] : [`      and ${changes.length - most} more`]
]

type Changed = Extract<Change, { readonly _tag: "CallChanged" }>

/** Where a document is written to. */
const placeOf = ({ names, text }: PlannedCall): string => names?.["fd"] ?? names?.["dirfd"] ?? text.slice(0, longest)

const isNumber = (value: unknown): boolean => ["number", "bigint"].includes(typeof plain(value))

const argumentLines = (args: ReadonlyArray<ArgumentChange>, { expected, actual }: Changed): Lines => {
  const documents = args.flatMap(({ document }) => document ?? [])
  const rest = args.filter(({ document }) => document === undefined)
  // flags and ids have no name but in the call
  const numbers = rest.length > 0 && rest.every((one) => isNumber(one.expected) && isNumber(one.actual))
  return [
    ...numbers && expected.text !== actual.text
      ? [`      was ${expected.text}`]
      : rest.map((one) => `      ${one.name}: ${changeText(one.expected, one.actual)}`),
    ...documentLines(documents)
  ]
}

const changedLines = (change: Changed): Lines => {
  const { actual, args, expected } = change
  const inDocument = args.length > 0 && args.every(({ document }) => document !== undefined)
  const [old, now] = [outcomeText(expected), outcomeText(actual)]
  return [
    inDocument && old === now ? `  ~ what is in ${placeOf(actual)}` : line("~", actual),
    ...argumentLines(args, change),
    ...old === now ? [] : [`      outcome:${old || " success"} →${now || " success"}`]
  ]
}

/** @param calls those of the change, and those that came or went right after it */
const linesOf = (change: Change, calls: ReadonlyArray<PlannedCall>, all: boolean): Lines => {
  switch (change._tag) {
    case "StepAdded":
      return [`  is new, ${behind(change.after)}`, ...callLines("+", change.calls, all)]
    case "StepRemoved":
      return [`  is gone; it was ${behind(change.after)}`, ...callLines("-", change.calls, all)]
    case "StepMoved":
      return [`  has moved: it was ${behind(change.expectedAfter)}, and is ${behind(change.after)}`]
    case "CallAdded":
      return callLines("+", calls, all)
    case "CallRemoved":
      return callLines("-", calls, all)
    case "CallChanged":
      return changedLines(change)
  }
}

// -- all --------------------------------------------------------------------------------------------------------------

const title = ({ pipeline, side, step, undoing }: Place): string =>
  `${side}: ${step === "" ? "outside of a step" : `${undoing ? "undo " : ""}${pipeline}/${step}`}`

/** A change without what was told of the same document before: a state is written again after each step. */
const untold = (change: Change, told: Set<string>): ReadonlyArray<Change> => {
  if (change._tag !== "CallChanged") return [change]
  const args = change.args.flatMap((arg): ReadonlyArray<ArgumentChange> => {
    if (arg.document === undefined) return [arg]
    const document = arg.document.filter((one) => {
      const key = valueText([one.path, one.expected ?? null, one.actual ?? null])
      return !told.has(key) && told.add(key)
    })
    return document.length === 0 ? [] : [{ ...arg, document }]
  })
  const isOver = args.length === 0 && change.args.length > 0
  return isOver && outcomeText(change.expected) === outcomeText(change.actual) ? [] : [{ ...change, args }]
}

/**
 * Prints changes; nothing for none.
 *
 * **Example** (Its look)
 *
 * ```text
 * parent: create/createState
 *   ~ what is in </run/runfx/web/state.json>
 *       container.hostname: "web" → "web2"
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
export const render = (changes: ReadonlyArray<Change>, { all = false }: RenderOptions = {}): string => {
  const out: Array<string> = []
  const told = new Set<string>()
  const rest = changes.flatMap((change) => untold(change, told))
  let last: string | undefined
  for (let index = 0; index < rest.length;) {
    const change = rest[index]!
    const head = title(change.place)
    if (head !== last) out.push(head)
    last = head
    const calls: Array<PlannedCall> = []
    for (let next = rest[index]; next?._tag === change._tag && title(next.place) === head; next = rest[++index]) {
      if (!("call" in next)) break
      calls.push(next.call)
    }
    if (calls.length === 0) index++
    out.push(...linesOf(change, calls, all))
  }
  return out.join("\n")
}
