/**
 * Resource limits by name and number. @see getrlimit(2)
 */
import { RLIMIT } from "../native/constants.ts"

/** No limit: what the kernel calls `RLIM_INFINITY`. */
export const infinity: bigint = 2n ** 64n - 1n

/** Numbers by the full name, as the OCI configuration writes it: `RLIMIT_NOFILE`. */
export const numbers: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(RLIMIT).map(([name, number]) => [`RLIMIT_${name}`, number])
)

/** The number of `RLIMIT_NOFILE`; `undefined` for an unknown name. */
export const numberOf = (name: string): number | undefined => Object.hasOwn(numbers, name) ? numbers[name] : undefined

/** `RLIMIT_NOFILE` for 7; a number without a name as `RLIMIT_99`. */
export const nameOf = (number: number): string =>
  Object.keys(numbers).find((name) => numbers[name] === number) ?? `RLIMIT_${number}`
