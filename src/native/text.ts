/**
 * Text at the kernel's boundary: UTF-8, and file names that are not valid UTF-8.
 *
 * A file name may have any bytes except NUL and the slash. A byte that is not valid UTF-8 becomes the lone surrogate
 * `U+DC80 … U+DCFF` with the same low byte. No valid text contains these, and in a call each becomes that byte again. So
 * every name that the kernel reports can be opened and removed. (Python calls this `surrogateescape`.)
 */
import { invalid } from "./Refused.ts"

const loneSurrogate = /\p{Surrogate}/u
const escapeBase = 0xdc00

/** The bytes of a text with lone surrogates. A surrogate that stands for no byte is refused. */
const encodeEscaped = (text: string): Uint8Array => {
  const parts = Array.from(text, (character) => {
    const code = character.codePointAt(0)!
    if (code < 0xd800 || code > 0xdfff) return Buffer.from(character, "utf8")
    if (code < escapeBase + 0x80 || code > escapeBase + 0xff) throw invalid("a text holds half of a surrogate pair")
    return Buffer.of(code - escapeBase)
  })
  return Buffer.concat(parts)
}

/** Half of a surrogate pair that is no byte of a file name either. */
const standsForNoByte = /[\ud800-\udc7f\udd00-\udfff]/u

/** Whether a call can get a text: {@link write} refuses any other. */
export const canWrite = (text: string): boolean => !text.includes("\0") && !standsForNoByte.test(text)

/** Up to this length, a loop is faster than a call of Node's encoder. */
const short = 64

/** Writes a text if it is plain ASCII without NUL; returns whether it is. */
const writePlain = (into: Buffer, at: number, text: string): boolean => {
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === 0 || code > 0x7f) return false
    into[at + index] = code
  }
  return true
}

/** Writes a text without a final NUL; returns the number of bytes. `into` must have room for three bytes a character. */
export const write = (into: Buffer, at: number, text: string): number => {
  if (text.length <= short && writePlain(into, at, text)) return text.length
  // a NUL would end the text early, and the call would act on something else
  if (text.includes("\0")) throw invalid("a text argument holds a NUL byte")
  const length = into.write(text, at, "utf8")
  // plain ASCII is the common case and needs no search
  if (length === text.length || !loneSurrogate.test(text)) return length
  const escaped = encodeEscaped(text)
  into.set(escaped, at)
  return escaped.length
}

/** The number of bytes of the UTF-8 sequence at `at`; 0 if there is none. */
const sequenceLength = (bytes: Buffer, at: number): number => {
  const first = bytes[at]!
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  const sequence = bytes.subarray(at, at + length)
  // the decoder knows the other rules (overlong forms, surrogates, the highest code point): what it replaces does not
  // encode to the same bytes
  return length > 0 && Buffer.from(sequence.toString("utf8"), "utf8").equals(sequence) ? length : 0
}

const readEscaped = (bytes: Buffer): string => {
  let text = ""
  for (let at = 0; at < bytes.length;) {
    const length = sequenceLength(bytes, at)
    text += length === 0
      ? String.fromCharCode(escapeBase + bytes[at]!)
      : bytes.toString("utf8", at, at + length)
    at += Math.max(length, 1)
  }
  return text
}

/** Reads a text of known length. */
export const read = (from: Buffer, start: number, end: number): string => {
  const text = from.toString("utf8", start, end)
  return text.includes("\ufffd") ? readEscaped(from.subarray(start, end)) : text
}

/** The text of bytes from the kernel. */
export const decode = (bytes: Buffer): string => read(bytes, 0, bytes.length)

/** The bytes of a text for the kernel. */
export const encode = (text: string): Buffer => {
  const bytes = Buffer.alloc(text.length * 3)
  return bytes.subarray(0, write(bytes, 0, text))
}
