/**
 * JSON as Go's programs write it: 64-bit integers without loss, `null` for an empty field.
 */
import * as Result from "effect/Result"
import { parse as parseLossless } from "lossless-json"
import { ConfigError, problem } from "./ConfigError.ts"

/** An integer that a double can't hold becomes a bigint (`RLIM_INFINITY` is 2^64-1); all else is a number. */
const number = (text: string): number | bigint => {
  const value = Number(text)
  return Number.isSafeInteger(value) || !/^-?\d+$/.test(text) ? value : BigInt(text)
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
 * given twice with different values is refused, as nobody could tell which of them counts.
 */
export const parse = (text: string): Result.Result<unknown, ConfigError> =>
  Result.try({
    try: () => withoutNulls(parseLossless(text.replace(/^\uFEFF/, ""), undefined, number)),
    catch: (error) =>
      new ConfigError({
        problems: [
          problem(
            "",
            undefined,
            // the parser quotes what it met, line ends too; a RangeError is a stack that overflowed
            error instanceof SyntaxError
              ? `must be JSON: ${error.message.replace(/\n/g, "\\n")}`
              : "must not be nested so deeply"
          )
        ]
      })
  })
