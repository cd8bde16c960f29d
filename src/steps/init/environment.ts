/**
 * The environment of the program, once its user is known.
 *
 * @category init
 * @since 0.1.0
 */
import type { Environment, ExecUser } from "./facts.ts"

/**
 * The environment in the form of execve(2). If `HOME` is unset or empty, it is the user's home directory.
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
