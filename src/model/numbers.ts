/**
 * Parses numbers as the kernel does (`lib/kstrtox.c`, `lib/cmdline.c`).
 */
import { refuse } from "./Machine.ts"

/**
 * The value of digits (`_parse_integer_fixup_radix`): base 0 takes 0x for hexadecimal and a leading 0 for octal.
 * `undefined` if the text is not a number, or has more after it than one newline.
 */
const parse = (text: string, base: 0 | 8 | 10): bigint | undefined => {
  const digits = /^\+?(0x[\da-f]+|\d+)\n?$/i.exec(text)?.[1]
  if (digits === undefined) return undefined
  const isHex = /^0x/i.test(digits)
  if (isHex) return base === 0 ? BigInt(digits) : undefined
  const isOctal = base === 8 || (base === 0 && /^0\d/.test(digits))
  return isOctal ? /^[0-7]+$/.test(digits) ? BigInt(`0o${digits}`) : undefined : BigInt(digits)
}

/** An unsigned number (`kstrtoull`, `kstrtouint`). EINVAL: not a number; ERANGE: too many bits. */
export const unsigned = (text: string, bits: 32 | 64 = 64, base: 0 | 8 | 10 = 0): bigint => {
  const value = parse(text, base) ?? refuse("EINVAL")
  return value >= 1n << BigInt(bits) ? refuse("ERANGE") : value
}

/** A signed number (`kstrtoll`, `kstrtoint`). */
export const signed = (text: string, bits: 32 | 64 = 64): bigint => {
  const isNegative = text.startsWith("-")
  // only one sign is allowed
  if (isNegative && text.startsWith("-+")) refuse("EINVAL")
  const value = parse(isNegative ? text.slice(1) : text, 0) ?? refuse("EINVAL")
  const most = 1n << BigInt(bits - 1)
  return value > (isNegative ? most : most - 1n) ? refuse("ERANGE") : isNegative ? -value : value
}

/** An unsigned number of 32 bits; `undefined` for any other text. */
export const parsed = (text: string, base: 0 | 8): number | undefined => {
  const value = parse(text, base)
  return value === undefined || value >= 1n << 32n ? undefined : Number(value)
}

/** A 64-bit number with a suffix, and the rest of the text (`memparse`); without digits it is 0. */
export const amount = (text: string): { readonly value: bigint; readonly rest: string } => {
  const digits = /^(?:0x[\da-f]+|0[0-7]*|[1-9]\d*|)/i.exec(text)![0]
  const number = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits}`) : digits === "" ? 0n : BigInt(digits)
  const suffix = "kmgtpe".indexOf(text.slice(digits.length, digits.length + 1).toLowerCase() || " ")
  const length = digits.length + (suffix < 0 ? 0 : 1)
  return { value: BigInt.asUintN(64, number << 10n * BigInt(suffix + 1)), rest: text.slice(length) }
}
