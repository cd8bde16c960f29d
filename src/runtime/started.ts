/**
 * How this process was started, as far as Node changes that before the first line of JavaScript runs.
 */
import type { AnyPid } from "../native/Handle.ts"
import type { Limit } from "../native/results.ts"

/**
 * The soft `RLIMIT_NOFILE` that the command was started with. Node has raised it to the hard limit by now, and the kernel does
 * not remember the former value. So `bin/runfx` begins as a shell script, which passes the limit on together with its pid, and
 * becomes Node by exec(3) under the same pid. If the pid is another process's, such as a parent's, the limit does not count.
 *
 * @returns `undefined` if this process was not started by `bin/runfx`
 * @see getrlimit(2)
 */
export const startedNofile = (
  environment: Readonly<Record<string, string | undefined>>,
  pid: AnyPid
): bigint | undefined => {
  const [, of, soft] = /^(\d+) (\d+)$/.exec(environment["RUNFX_STARTED"] ?? "") ?? []
  return soft === undefined || Number(of) !== pid ? undefined : BigInt(soft)
}

/** The soft limit of descriptors that Linux and service managers start with: as many as select(2) can handle. */
const usualNofile = 1024n

/**
 * `RLIMIT_NOFILE` for a program whose configuration does not set it.
 *
 * @param own the limit of this process
 * @param soft what its soft limit was before Node raised it, if that is known
 */
export const nofileFor = (own: Limit, soft: bigint = usualNofile): Limit => ({
  soft: soft < own.hard ? soft : own.hard,
  hard: own.hard
})
