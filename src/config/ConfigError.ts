/**
 * How a configuration is refused: every problem at once, each with its place, its value and the rule that it breaks.
 */
import * as Data from "effect/Data"

/** One broken rule. */
export interface Problem {
  /** The field as the configuration names it: `linux.namespaces[2].path`; empty for the document itself. */
  readonly path: string
  /** What stands there, as JSON-able data; absent where nothing does. */
  readonly value?: unknown
  /** What should be there: `must be an absolute path`. */
  readonly rule: string
}

/** A problem; bigints of the value become texts, so that it stays JSON-able. */
export const problem = (path: string, value: unknown, rule: string): Problem =>
  value === undefined ? { path, rule } : { path, value: plain(value), rule }

const plain = (value: unknown): unknown => {
  if (typeof value === "bigint") return value.toString()
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, plain(field)]))
  }
  return value
}

/** `linux.namespaces[2].path` from its parts; keys that are no plain words are quoted: `linux.sysctl["a.b"]`. */
export const pathOf = (parts: ReadonlyArray<PropertyKey>): string =>
  parts.reduce<string>((path, part) => {
    if (typeof part === "number") return `${path}[${part}]`
    const key = String(part)
    if (!/^[\w-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`
    return path === "" ? key : `${path}.${key}`
  }, "")

/** The longest part of a value that a message shows. */
const shown = 120

/** One problem as a line: `linux.namespaces[2].path = "x": must be an absolute path`. */
export const render = ({ path, rule, value }: Problem): string => {
  const place = path === "" ? "the configuration" : path
  if (value === undefined) return `${place}: ${rule}`
  const text = JSON.stringify(value)
  return `${place} = ${text.length > shown ? `${text.slice(0, shown)}…` : text}: ${rule}`
}

/** A configuration that can't be run; the message has one line for each problem. */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    return this.problems.map(render).join("\n")
  }
}
