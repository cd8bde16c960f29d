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

const listenPid = "LISTEN_PID"

/**
 * Whether the environment has sockets for the container's first process, as a manager opens them for a service. They are for the
 * program, which has another number if it is no process 1.
 *
 * @see sd_listen_fds(3)
 * @since 0.2.0
 */
export const hasListener = ({ entries }: Environment["Service"]): boolean =>
  entries.some(([name, value]) => name === listenPid && value === "1")

/**
 * The environment with another number for `LISTEN_PID`.
 *
 * @since 0.2.0
 */
export const withListener = ({ entries, ...rest }: Environment["Service"], number: string): Environment["Service"] => ({
  ...rest,
  entries: entries.map((entry) => entry[0] === listenPid ? [listenPid, number] as const : entry)
})
