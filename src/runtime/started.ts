/**
 * How this process was started, for what Node changes before the first line of JavaScript runs.
 */
import type { AnyPid } from "../native/Handle.ts"
import type { Limit } from "../native/results.ts"

/**
 * The soft `RLIMIT_NOFILE` that the command was started with. Node has raised its own to the hard one by now, and nothing
 * in the kernel remembers the former. So `bin/runfx` begins as a shell script, which passes it on together with its pid, and
 * becomes Node by exec(3), under the same pid: a note of another process, whose child this is, does not count.
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

/** The soft limit of descriptors that Linux starts with, and service managers with it: what select(2) can deal with. */
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
