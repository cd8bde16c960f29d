/**
 * The calls that led to a failure, as text.
 *
 * @category checks
 * @since 0.2.0
 */
import { render } from "../native/Kernel.ts"
import type * as Recorder from "./Recorder.ts"

/** The calls of a run. */
export interface Trailed {
  /** Every call of every process, in the order of time. */
  readonly calls: ReadonlyArray<Recorder.Entry>
  /** How many of them are shown. */
  readonly shown: number
}

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
 * Prints the last calls of a process, with steps, arguments and results; without `side`, of all processes.
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
export const trail = (checked: Trailed, side?: string): string => {
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
