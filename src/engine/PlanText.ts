/**
 * A plan as plain text: the processes side by side, in the order of time.
 *
 * @category plans
 * @since 0.1.0
 */
import type { Plan, PlannedCall, Row } from "./Plan.ts"
import { onlyLooks, summary } from "./planSummary.ts"

/** How a plan is printed. */
export interface Options {
  /** Columns of the whole page; 120. */
  readonly width?: number
  /** Print what each call returns; otherwise only failures are shown. */
  readonly results?: boolean
  /** Print every call; otherwise calls that only look, and those that open and close descriptors, are left out. */
  readonly all?: boolean
}

const isShown = (call: PlannedCall, all: boolean): boolean => all || call.outcome._tag === "Failed" || !onlyLooks(call)

const fold = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let rest = text
  while (rest.length > width) {
    // after a comma or a space if there is one in the second half
    const cut = Math.max(rest.lastIndexOf(" ", width - 1), rest.lastIndexOf(",", width - 2) + 1)
    const at = cut > width / 2 ? cut : width
    lines.push(rest.slice(0, at).trimEnd())
    rest = `    ${rest.slice(at).trimStart()}`
  }
  return [...lines, rest]
}

const outcomeText = ({ outcome, handles = [] }: PlannedCall, results: boolean): string => {
  switch (outcome._tag) {
    case "Failed":
      return ` = -1 ${outcome.code}${handles.includes(outcome.code) ? ", handled" : ""}`
    case "Ends":
      return ""
    case "Returned": {
      const result = results && outcome.result !== null ? ` = ${JSON.stringify(outcome.result)}` : ""
      return handles.length === 0 ? result : `${result} (handles ${handles.join(", ")})`
    }
  }
}

const cell = (row: Row, width: number, { all = false, results = false }: Options): ReadonlyArray<string> => [
  ...fold(row.undoing ? `undo ${row.step}` : row.step === "" ? "(outside of a step)" : row.step, width),
  ...row.doc === "" || row.undoing ? [] : fold(`  ${row.doc}`, width),
  ...row.calls.filter((call) => isShown(call, all)).flatMap((call) =>
    fold(`  ${call.text}${outcomeText(call, results)}`, width)
  )
]

/**
 * Prints a plan: one column for each process, each row below those that came before it, and a summary at the end.
 *
 * `(handles ENOENT)` means that the step handles this errno of the call: it continues, or fails with an error that says
 * more. What it does then is not shown.
 *
 * A descriptor is shown as its file, and a pid as its process. A word in `<>` stands for what can't be known before the
 * run: a time, a pid, a number that the kernel chooses, or a random one.
 *
 * **Example** (Its look)
 *
 * ```text
 * parent                              │ init
 * ────────────────────────────────────┼────────────────────────────────────
 * createCgroup                        │
 *   make the container's cgroup       │
 *   mkdirat(3, "box", 0755)           │
 *                                     │ setHostname
 *                                     │   name the container
 *                                     │   sethostname("box")
 * ```
 */
export const render = (plan: Plan, options: Options = {}): string => {
  const { width = 120 } = options
  const sides = [...new Set(plan.rows.map(({ side }) => side))]
  const each = Math.max(24, Math.floor((width - 3 * (sides.length - 1)) / Math.max(1, sides.length)))
  const line = (cells: ReadonlyArray<string>): string => cells.map((text) => text.padEnd(each)).join(" │ ").trimEnd()
  const out = [plan.title, "", line(sides), sides.map(() => "─".repeat(each)).join("─┼─")]
  for (const row of plan.rows) {
    // outside of a step there are often only calls that look
    if (row.step === "" && row.calls.every((call) => !isShown(call, options.all === true))) continue
    for (const text of cell(row, each, options)) out.push(line(sides.map((side) => side === row.side ? text : "")))
  }
  if (plan.fails === undefined && plan.rollback.length > 0) {
    out.push("", "If the last step failed, this would be undone:", "")
    for (const row of plan.rollback) out.push(...cell(row, width, options))
  }
  if (plan.fails !== undefined) {
    const { advice, error, pipeline, residue, step } = plan.fails
    out.push("", `This would fail: ${[pipeline, step].filter((part) => part !== "").join(": ")}: ${error}`)
    if (advice !== undefined) out.push(`  what to do: ${advice}`)
    if (residue.length > 0) out.push(`  not undone in place: ${residue.join(", ")}`)
  }
  out.push("", ...summary(plan))
  return `${out.join("\n")}\n`
}
