/** 64-bit words in shared memory, for mailboxes and lists of calls. */
import type { Word } from "../koffi.ts"

const two32 = 2 ** 32

/** A signed 64-bit word, by its index in 32-bit words, as a number. */
export const wordAt = (words: Int32Array, index: number): number => words[index + 1]! * two32 + (words[index]! >>> 0)

/** Writes a 64-bit word at an offset: through a view only if a number can't hold it, since a view is slower. */
export const putWord = (words: Int32Array, view: DataView, offset: number, value: Word): void => {
  if (typeof value === "bigint") return view.setBigUint64(offset, BigInt.asUintN(64, value), true)
  const word = offset / 4
  words[word] = value
  words[word + 1] = Math.floor(value / two32)
}
