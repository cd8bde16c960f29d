/**
 * A plan as a page of HTML: one file that loads nothing else.
 *
 * The page can be read without its script, which only adds the search, the buttons and the keys. Names, paths and arguments
 * come from a container and are not trusted. So a policy in the page (CSP) allows this script and this style only.
 *
 * @category plans
 * @since 0.2.0
 */
import { rowOf } from "../native/calls.ts"
import { html, Markup, none } from "./markup.ts"
import type { Plan, PlannedCall, Row } from "./Plan.ts"
import { hashes, script, style } from "./planPage.ts"
import { callCount, made, onlyLooks, removed, total } from "./planSummary.ts"

const policy = `default-src 'none'; script-src '${hashes.script}'; style-src '${hashes.style}'; ` +
  "base-uri 'none'; form-action 'none'"

/** How many processes have their own column; the others share the last one. */
const mostColumns = 4

const columnOf = (side: string, sides: ReadonlyArray<string>): number => Math.min(sides.indexOf(side), mostColumns - 1)

/** Marks the name of a call, and names that replace numbers. */
const callText = (text: string): Markup => {
  const [, name = "", rest = text] = /^(\w+)(\(.*)$/s.exec(text) ?? []
  // a `<word>` within a string is text of the container, not a name
  const parts = rest.split(/("(?:[^"\\]|\\.)*"|<[^<>"]*>)/)
  return html`<b>${name}</b>${parts.map((part) => part.startsWith("<") ? html`<i>${part}</i>` : html`${part}`)}`
}

/** How a call fails, and which errnos its step handles. `fatal`: the step fails because of it. */
const outcomeOf = ({ handles = [], outcome }: PlannedCall, fatal: boolean): Markup => {
  const code = outcome._tag === "Failed" ? outcome.code : undefined
  const others = handles.filter((handled) => handled !== code).join(", ")
  if (code === undefined) return others === "" ? none : html` <span class=handles>handles ${others}</span>`
  if (fatal) return html` <span class="mark bad">= ${code}</span>`
  const handled = handles.includes(code) ? `, handled${others === "" ? "" : `, as ${others} would be`}` : ""
  return html` <span class=handles>= ${code}${handled}</span>`
}

/** What calls make and remove, if anything. */
const marks = (calls: ReadonlyArray<PlannedCall>): Markup => {
  const [makes, removes] = [made(calls), removed(calls)]
  return html`${makes === "nothing" ? none : html` <span class="mark made">+ ${makes}</span>`}${
    removes === "nothing" ? none : html` <span class="mark undone">&minus; ${removes}</span>`
  }`
}

const callItem = (call: PlannedCall, fatal: boolean): Markup =>
  html`<li class="call${onlyLooks(call) && !fatal ? " look" : ""}"><code title="${rowOf(call.name).man}">${
    callText(call.text)
  }</code>${marks([call])}${outcomeOf(call, fatal)}`

const reversals: Readonly<Record<Row["reversal"], string>> = {
  compensated: "If a later step fails, this is taken back.",
  harmless: "It changes nothing that would have to be taken back.",
  irreversible: "It can't be taken back in place: it ends with its process, or stays.",
  terminal: "The last step: its process becomes another program, or ends."
}

type Failure = NonNullable<Plan["fails"]>

/** The row in which the plan fails. */
const failedRow = ({ fails, rows }: Plan): Row | undefined =>
  fails === undefined || fails.step === ""
    ? undefined
    : rows.findLast(({ pipeline, step, undoing }) => !undoing && pipeline === fails.pipeline && step === fails.step)

/** The anchor of each row, by which a page can be linked to: `#step-standard-setHostname`. */
const anchorsOf = (rows: ReadonlyArray<Row>): ReadonlyMap<Row, string> => {
  const counts = new Map<string, number>()
  return new Map(rows.map((row) => {
    const { pipeline, step, undoing } = row
    const parts = [undoing ? "undo" : "step", pipeline, step].filter((part) => part !== "")
    const name = parts.join("-").replaceAll(/[^\w-]/g, "_")
    const count = (counts.get(name) ?? 0) + 1
    counts.set(name, count)
    return [row, count === 1 ? name : `${name}.${count}`]
  }))
}

const summaryOf = ({ calls, doc, side, step, undoing }: Row, failed: boolean): Markup =>
  html`<summary><span class=side>${side}</span>${
    undoing ? html`<span class="mark undone">undo</span>` : none
  }<span class=name>${step === "" ? "outside of a step" : step}</span><span class=doc>${undoing ? "" : doc}</span>${
    marks(calls)
  }${failed ? html`<span class="mark bad">fails here</span>` : none}<span class=count>${
    callCount(calls.length)
  }</span></summary>`

const about = ({ pipeline, reversal, step, undoing }: Row): Markup =>
  step === ""
    ? none
    : html`<p class=tag>${pipeline === "" ? "" : html`${pipeline} &rsaquo; ${step}. `}${
      undoing ? "" : reversals[reversal]
    }</p>`

/** What the rows of a page have in common. */
interface Page {
  readonly sides: ReadonlyArray<string>
  readonly anchors: ReadonlyMap<Row, string>
  /** The row in which the plan fails, and why. */
  readonly failing: Row | undefined
  readonly fails: Failure | undefined
}

const adviceOf = ({ advice }: Failure): Markup => advice === undefined ? none : html`<p>What to do: ${advice}</p>`

/** In the step that fails: its error, so that nobody has to go back to the head of the page for it. */
const why = (fails: Failure): Markup => html`<div class=why><p>${fails.error}</p>${adviceOf(fails)}</div>`

const rowItem = ({ anchors, failing, fails, sides }: Page) => (row: Row): Markup => {
  const { calls, side, undoing } = row
  const failed = row === failing
  const kinds = [...failed ? ["failed"] : [], ...undoing ? ["undoing"] : [], ...calls.length === 0 ? ["empty"] : []]
  const fatal = failed ? calls.findLast(({ outcome }) => outcome._tag === "Failed") : undefined
  return html`<li class="row s${columnOf(side, sides)}" data-side="${side}" id="${anchors.get(row)!}"><details class="${
    kinds.join(" ")
  }"${failed ? html` open` : none}>${summaryOf(row, failed)}<div class=inside>${failed ? why(fails!) : none}${
    about(row)
  }<ol class=calls>${calls.map((call) => callItem(call, call === fatal))}</ol></div></details>`
}

const failure = (fails: Failure, anchor: string | undefined): Markup => {
  const { error, pipeline, residue, step } = fails
  const where = [pipeline, step].filter((part) => part !== "").join(": ")
  const link = anchor === undefined ? html`${where}` : html`<a id=failing href="#${anchor}">${where}</a>`
  return html`<section class=fails><p><strong>This would fail</strong>: ${
    where === "" ? none : html`${link}: `
  }${error}</p>${adviceOf(fails)}${
    residue.length === 0 ? none : html`<p>Not undone in place: ${residue.join(", ")}</p>`
  }</section>`
}

const facts = ({ containers = [], fails, rows, stays }: Plan): Markup => {
  const calls = rows.flatMap((row) => row.calls)
  const left = stays === undefined
    ? none
    : html`<dt>Stays on the machine</dt><dd>${
      stays.length === 0
        ? `nothing${fails === undefined ? "" : " of what was begun"}`
        : html`<ul>${stays.map((line) => html`<li><code>${line}</code>`)}</ul>`
    }</dd>`
  const fates = containers.length === 0
    ? none
    : html`<dt>Containers</dt><dd><ul>${
      containers.map(({ id, what, why }) => html`<li><code>${id}</code>: <strong>${what}</strong>: ${why}`)
    }</ul></dd>`
  return html`<dl><dt>Calls</dt><dd>${total(rows)}</dd><dt>Made</dt><dd>${made(calls)}</dd><dt>Removed</dt><dd>${
    removed(calls)
  }</dd>${fates}${left}</dl>`
}

const head = (sides: ReadonlyArray<string>, rows: Plan["rows"]) => (side: string): Markup => {
  const own = rows.filter((row) => row.side === side)
  const steps = new Set(own.flatMap(({ pipeline, step }) => step === "" ? [] : [`${pipeline}/${step}`])).size
  const calls = own.reduce((sum, row) => sum + row.calls.length, 0)
  return html`<div class="head s${columnOf(side, sides)}"><strong>${side}</strong> <span>${steps} ${
    steps === 1 ? "step" : "steps"
  }, ${callCount(calls)}</span></div>`
}

/** Hidden until the script runs, because it needs the script. */
const bar =
  html`<div id=bar role=search hidden><input type=search id=search aria-label="Search steps and calls" placeholder="Search steps and calls" autocomplete=off spellcheck=false><output id=found aria-live=polite></output><button type=button id=open>Open all</button><button type=button id=close>Close all</button><label><input type=checkbox id=looks checked> also calls that only look</label></div>`

const keys =
  html`<footer><p>Steps are in the order of time, each in the column of its process. A descriptor is shown as the file that it is, a pid as the process; a word in &lt;&gt; is what can't be known before. <em>Handles ENOENT</em> says that the step continues, or fails with an error that says more, if its call fails so.</p><p>Keys: <kbd>/</kbd> search, <kbd>&uarr;</kbd> <kbd>&darr;</kbd> from step to step, <kbd>Enter</kbd> open, <kbd>f</kbd> the step that fails, <kbd>Esc</kbd> end the search.</p></footer>`

/**
 * Writes a plan as a page of HTML, in one file that loads nothing: for a browser, a review, or an artifact of CI.
 *
 * The processes are side by side, and what comes later is further down. A step opens to its calls, with names instead of
 * numbers, what they make and remove, and the errnos that the step handles. Each step has an address, such as
 * `#step-standard-setHostname`; a plan that fails opens at the step that does. The same plan always makes the same text.
 *
 * **Example** (A page for a review)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { writeFileSync } from "node:fs"
 * import * as Plan from "runfx/engine/Plan"
 * import { planRun } from "runfx/runtime/plan"
 *
 * const page = Effect.map(planRun({ id: "box", container }), (plan) => writeFileSync("plan.html", Plan.toHtml(plan)))
 * ```
 */
export const toHtml = (plan: Plan): string => {
  const { fails, rollback, rows, title } = plan
  const sides = [...new Set(rows.map(({ side }) => side))]
  const failing = failedRow(plan)
  const anchors = anchorsOf([...rows, ...rollback])
  const item = rowItem({ sides, anchors, failing, fails })
  const undone = fails === undefined && rollback.length > 0
    ? html`<h2>If the last step failed, this would be undone</h2><ol class=rows>${rollback.map(item)}</ol>`
    : none
  const columns = Math.max(1, Math.min(sides.length, mostColumns))
  return html`<!doctype html>
<html lang=en>
<meta charset=utf-8>
<meta http-equiv=Content-Security-Policy content="${new Markup(policy)}">
<meta name=viewport content="width=device-width, initial-scale=1">
<meta name=referrer content=no-referrer>
<title>Plan: ${title}</title>
<style>${new Markup(style)}</style>
<body class=n${columns}>
<header><h1>${title}</h1><p class=lead>What the command would do. Nothing was done.</p>${
    fails === undefined ? none : failure(fails, failing && anchors.get(failing))
  }${facts(plan)}</header>
${bar}
<main><div class=heads>${sides.slice(0, mostColumns).map(head(sides, rows))}</div><ol class=rows>${
    rows.map(item)
  }</ol>${undone}</main>
${keys}
<script>${new Markup(script)}</script>
`.text
}
