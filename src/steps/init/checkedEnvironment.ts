/**
 * Checks the environment of a program.
 *
 * @category init
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Process } from "../../config/Container.ts"
import type { Environment } from "./facts.ts"

/** An invalid entry of `process.env`. */
export class InvalidEnvironment extends Data.TaggedError("InvalidEnvironment")<{
  readonly index: number
  /** The name of the variable; its value may be a secret. */
  readonly name: string
  /** What is wrong with it: `has no "="`. */
  readonly problem: string
}> {
  override get message(): string {
    return `process.env[${this.index}]${this.name === "" ? "" : ` (${JSON.stringify(this.name)})`} ${this.problem}`
  }
  get advice(): string {
    return "write every entry as NAME=value"
  }
}

const problemOf = (entry: string): string | undefined => {
  // a caller in plain JavaScript can redact anything
  if (typeof entry !== "string") return "is no text"
  if (entry.includes("\0")) return "holds a NUL byte"
  const equals = entry.indexOf("=")
  if (equals === -1) return "has no \"=\""
  return equals === 0 ? "has an empty name" : undefined
}

/** The part of an entry that an error may show: its value may be a secret, and so may all of an entry without a name. */
const nameOf = (entry: string): string =>
  typeof entry === "string" && entry.includes("=") ? entry.split("=", 1)[0]! : ""

/**
 * Checks `process.env`; keeps the last value of each name.
 *
 * @since 0.2.0
 */
export const checkedEnvironment = (
  env: Process["env"]
): Effect.Effect<Environment["Service"], InvalidEnvironment> => checkAll(env)

const checkAll = Effect.fnUntraced(function*(
  env: Process["env"]
): Effect.fn.Return<Environment["Service"], InvalidEnvironment> {
  const values = new Map<string, string>()
  for (const [index, given] of env.entries()) {
    // the only place where a secret is read
    const entry = Redacted.isRedacted(given) ? Redacted.value(given) : given
    const problem = problemOf(entry)
    if (problem !== undefined) return yield* new InvalidEnvironment({ index, name: nameOf(entry), problem })
    const equals = entry.indexOf("=")
    const name = entry.slice(0, equals)
    // a Map keeps the place of the first mention, but the last one counts
    values.delete(name)
    values.set(name, entry.slice(equals + 1))
  }
  return { entries: [...values], path: values.get("PATH") }
})
