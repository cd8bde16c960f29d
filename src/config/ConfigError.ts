/**
 * How a configuration is refused: every problem at once, each with its place, its value and the rule that it breaks.
 *
 * @category errors
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Redacted from "effect/Redacted"
import { cut } from "../engine/errorText.ts"

/** One broken rule. */
export interface Problem {
  /** The field as the configuration names it: `linux.namespaces[2].path`; empty for the document itself. */
  readonly path: string
  /** The value there, as JSON-able data; absent if there is none. */
  readonly value?: unknown
  /** What should be there: `must be an absolute path`. */
  readonly rule: string
}

/** A problem; its value is made JSON-able, and no deeper or longer than can be shown. */
export const problem = (path: string, value: unknown, rule: string): Problem =>
  value === undefined ? { path, rule } : { path, value: plain(value), rule }

/** How deep a value is kept. What is deeper has nothing to do with a configuration, and may be without end. */
const deepest = 8
/** How many entries of a list or an object are kept. */
const longest = 100

const plain = (value: unknown, depth = 0): unknown => {
  switch (typeof value) {
    case "bigint":
    case "symbol":
    case "undefined":
      return String(value)
    case "number":
      // JSON has neither
      return Number.isFinite(value) ? value : String(value)
    case "function":
      return "a function"
    case "object":
      if (value === null) return null
      // its text says what may be shown; its fields do not
      if (Redacted.isRedacted(value)) return String(value)
      if (depth === deepest) return "…"
      if (Array.isArray(value)) return value.slice(0, longest).map((entry) => plain(entry, depth + 1))
      return Object.fromEntries(
        Object.entries(value).slice(0, longest).map(([key, field]) => [key, plain(field, depth + 1)])
      )
    default:
      return value
  }
}

/**
 * Something to know about a document that stops nothing: a part that has no effect, or what was added. A `warning` is for
 * what the user can act on, and is always printed. The rest is a `debug` line, printed with `runfx --debug` or
 * `RUNFX_DEBUG=1` only.
 *
 * The decoder decides which one it is: `notice("debug", problem(path, value, "has no effect: …"))`.
 *
 * @since 0.2.0
 */
export interface Notice extends Problem {
  readonly level: "warning" | "debug"
}

/**
 * A problem that stops nothing.
 *
 * @since 0.2.0
 */
export const notice = (level: Notice["level"], found: Problem): Notice => ({ ...found, level })

/** `linux.namespaces[2].path` from its parts; keys that are no plain words are quoted: `linux.sysctl["a.b"]`. */
export const pathOf = (parts: ReadonlyArray<PropertyKey>): string =>
  parts.reduce<string>((path, part) => {
    if (typeof part === "number") return `${path}[${part}]`
    const key = String(part)
    if (!/^[\w-]+$/.test(key)) return `${path}[${JSON.stringify(key)}]`
    return path === "" ? key : `${path}.${key}`
  }, "")

/**
 * The most problems that a message lists; the rest is counted.
 *
 * @since 0.2.0
 */
export const mostListed = 20

/** One problem as a line: `linux.namespaces[2].path = "x": must be an absolute path`. */
export const render = ({ path, rule, value }: Problem): string => {
  const place = path === "" ? "the configuration" : cut(path)
  if (value === undefined) return `${place}: ${rule}`
  // a problem from elsewhere may hold anything
  return `${place} = ${cut(JSON.stringify(plain(value)))}: ${rule}`
}

/** A configuration that can't be run; the message has one line for each problem, up to 20, and counts the rest. */
export class ConfigError extends Data.TaggedError("ConfigError")<{
  readonly problems: ReadonlyArray<Problem>
}> {
  override get message(): string {
    const lines = this.problems.slice(0, mostListed).map(render)
    const more = this.problems.length - lines.length
    return [...lines, ...(more > 0 ? [`and ${more} more`] : [])].join("\n")
  }
}
