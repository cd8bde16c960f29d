/**
 * JSON as Go's programs write it: 64-bit integers without loss, `null` for an empty field.
 *
 * @category decoding
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { parse as parseLossless } from "lossless-json"
import { ConfigError, problem } from "./ConfigError.ts"

/** A program that reads and writes doubles, such as jq, makes this of 2^64-1. */
const rounded = "18446744073709552000"

/** An integer that a double can't hold becomes a bigint (`RLIM_INFINITY` is 2^64-1). Anything else is a number. */
const number = (text: string): number | bigint => {
  const value = Number(text)
  if (text === rounded) return 2n ** 64n - 1n
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? value : BigInt(text)
}

/**
 * The longest configuration: in bytes for a file, in UTF-16 units for a text. The kernel takes arguments and environment of at
 * most 6 MiB, and the rest of a container is short. The parser takes some 30 bytes of memory for each.
 *
 * @since 0.2.0
 */
export const longestDocument = 8 << 20

/**
 * The rule that a longer one breaks.
 *
 * @since 0.2.0
 */
export const tooLong = `must be at most ${longestDocument >> 20} MiB long`

/** No configuration is nested more deeply, so that later readers can recurse without a look at the stack. */
const deepest = 64

const depthOf = (value: unknown): number => {
  let depth = 0
  let level: ReadonlyArray<unknown> = [value]
  while (level.length > 0 && depth <= deepest) {
    level = level.flatMap((one) => typeof one === "object" && one !== null ? Object.values(one) : [])
    depth++
  }
  return depth
}

/** Go writes `null` for an empty list or object and reads it as "not there". */
const withoutNulls = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(withoutNulls)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).filter(([, field]) => field !== null).map(([key, field]) => [key, withoutNulls(field)])
  )
}

/**
 * Reads a JSON text. Numbers beyond 2^53 become bigints, object fields that are `null` are left out, and a key that is
 * given twice with different values is refused, since it is not known which of them counts.
 */
export const parse = (text: string): Result.Result<unknown, ConfigError> =>
  Result.try({
    try: () => {
      // a caller from plain JavaScript may give anything, a buffer for instance
      if (typeof text !== "string") throw new SyntaxError("it is no text")
      const value = parseLossless(text.replace(/^\uFEFF/, ""), undefined, number)
      if (depthOf(value) > deepest) throw new RangeError()
      return withoutNulls(value)
    },
    catch: (error) =>
      new ConfigError({
        problems: [
          problem(
            "",
            undefined,
            // the parser quotes what it met, line ends too; a RangeError is from the check above, or from its stack
            error instanceof SyntaxError
              ? `must be JSON: ${error.message.replace(/\n/g, "\\n")}`
              : "must not be nested so deeply"
          )
        ]
      })
  })

/**
 * Reads a configuration, which is not longer than one can be.
 *
 * @since 0.2.0
 */
export const parseDocument = (text: string): Result.Result<unknown, ConfigError> =>
  typeof text === "string" && text.length > longestDocument
    ? Result.fail(new ConfigError({ problems: [problem("", undefined, tooLong)] }))
    : parse(text)
