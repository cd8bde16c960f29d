/**
 * Check the environment of the program, and keep the last value of each name.
 *
 * The environment of the runtime itself is never passed on.
 *
 * @see environ(7)
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { InvalidEnvironment } from "./errors.ts"
import { Environment, type ExecUser } from "./facts.ts"
import { Init } from "./Init.ts"

const problemOf = (entry: string): string | undefined => {
  if (entry.includes("\0")) return "holds a NUL byte"
  const equals = entry.indexOf("=")
  if (equals === -1) return "has no \"=\""
  return equals === 0 ? "has an empty name" : undefined
}

/** Checks `process.env`; makes no kernel call. */
export const populateEnv = Step.make("populateEnv", {
  doc: "check the program's environment and keep the last value of each name",
  calls: [],
  requires: [Init],
  provides: Environment,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { process } = yield* Init
    const values = new Map<string, string>()
    for (const [index, entry] of process.env.entries()) {
      const problem = problemOf(entry)
      if (problem !== undefined) return yield* new InvalidEnvironment({ index, entry, problem })
      const equals = entry.indexOf("=")
      const name = entry.slice(0, equals)
      // a Map keeps the place of the first mention; it is the last that counts
      values.delete(name)
      values.set(name, entry.slice(equals + 1))
    }
    return { entries: [...values], path: values.get("PATH") }
  })
})

/**
 * The environment as execve(2) takes it. `HOME` is the user's home directory where it is unset or empty.
 *
 * **Example** (What exec passes)
 *
 * ```ts
 * const envp = environmentFor(yield* Environment, yield* ExecUser)
 * // ["PATH=/bin", "HOME=/root"]
 * ```
 */
export const environmentFor = (
  { entries }: Environment["Service"],
  { home }: Pick<ExecUser["Service"], "home">
): ReadonlyArray<string> => {
  const hasHome = entries.some(([name, value]) => name === "HOME" && value !== "")
  const all = hasHome ? entries : [...entries.filter(([name]) => name !== "HOME"), ["HOME", home] as const]
  return all.map(([name, value]) => `${name}=${value}`)
}
