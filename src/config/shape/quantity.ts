/**
 * Sizes and times as people write them: `"256 MiB"`, `"10 seconds"`.
 *
 * @category validation
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Shape } from "./Shape.ts"

/** A size in bytes: a whole number, or a text with a unit, `"256 MiB"` or `"1.5 GB"`. */
export type Size = number | bigint | string

/** A time: milliseconds, a text with a unit as `"10 seconds"`, or a `Duration`. */
export type Time = Duration.Input

/** The decimal units are SI's, the binary ones IEC's: `"1 kB"` is 1000 bytes, `"1 KiB"` 1024. */
const units: Readonly<Record<string, number>> = {
  b: 1,
  byte: 1,
  bytes: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  tb: 1000 ** 4,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4
}

/** What a size must be. */
const sizeRule = "must be a size above 0: a number of bytes, or a text such as \"256 MiB\""

/** A size in bytes; `undefined` for what is none. */
export const bytesOf = (size: unknown): bigint | undefined => {
  if (typeof size === "bigint") return size > 0n ? size : undefined
  if (typeof size === "number") return Number.isSafeInteger(size) && size > 0 ? BigInt(size) : undefined
  if (typeof size !== "string") return undefined
  const [, number, unit = "b"] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+)?\s*$/i.exec(size) ?? []
  const factor = units[unit.toLowerCase()]
  if (number === undefined || factor === undefined) return undefined
  return bytesOf(Math.round(Number(number) * factor))
}

/** The longest that a timer of Node's waits, in milliseconds. */
const longest = 2 ** 31 - 1

/** What a time must be. */
const timeRule = "must be a time above 0 and below 25 days: a number of milliseconds, or a text such as \"10 seconds\""

/** A time in milliseconds; `undefined` for what is none, or is 0, or longer than a timer waits. */
export const millisecondsOf = (time: unknown): number | undefined => {
  const duration = Duration.fromInput(time as Duration.Input)
  if (Option.isNone(duration)) return undefined
  const milliseconds = Duration.toMillis(duration.value)
  return milliseconds > 0 && milliseconds <= longest ? milliseconds : undefined
}

/** A {@link Size}. */
export const size: Shape = (value, at, tell) => {
  if (bytesOf(value) === undefined) tell(at, value, sizeRule)
}

/** A {@link Time}. */
export const time: Shape = (value, at, tell) => {
  if (millisecondsOf(value) === undefined) tell(at, value, timeRule)
}

/** A {@link Time} that may be 0, or without end. */
export const anyTime: Shape = (value, at, tell) => {
  const duration = Duration.fromInput(value as Duration.Input)
  // Effect takes NaN for 0
  if (Option.isNone(duration) || Duration.isNegative(duration.value) || Number.isNaN(value)) {
    tell(at, value, "must be a time: a number of milliseconds, or a text such as \"10 seconds\"")
  }
}
