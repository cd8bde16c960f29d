/**
 * A list of calls in the memory that this process shares with a server: see `make_list` in server.c.
 *
 * The expected result of an entry is written before the server is asked, and never read back. Of what the server writes,
 * this side reads only the results.
 */
import type { Word } from "../koffi.ts"
import type { Memory } from "../Scratch.ts"
import { entry as at, expected as kinds, number as numbers, sizes } from "./layout.ts"
import { putWord, wordAt } from "./words.ts"

const entrySize = sizes.entry

/**
 * How many entries a list has at most. All calls of a default container between two that must be made by themselves fit into one
 * list, so that it is handed over once. The smallest memory that a server may have has room for fewer.
 */
const [many, few] = [1024, 384]

/** How many bytes a list takes, by how many are free: the arguments of its calls take the rest, which is the larger part. */
export const batchSize = (free: number): number => (free > 8 * many * entrySize ? many : few) * entrySize

/** What a result must be so that the next entry is made: anything, no failure, or a number. */
export type Expected = "anything" | "success" | number

/** The result (EIO) in place of one that no kernel returns. */
const noAnswer = -5

/** A result that no call returns. */
const notMade = -(2 ** 40)

/** One list. */
export class Batch {
  readonly address: number
  /** The most entries that it can have. */
  readonly most: number
  readonly #words: Int32Array
  readonly #view: DataView
  #length = 0

  constructor({ address, memory }: Memory) {
    this.address = address
    this.most = memory.byteLength / entrySize
    this.#words = new Int32Array(memory.buffer, memory.byteOffset, memory.byteLength / 4)
    this.#view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength)
  }

  get length(): number {
    return this.#length
  }

  clear(): void {
    this.#length = 0
  }

  /**
   * Adds a call. The six arguments are separate parameters, because an array would be allocated for each of hundreds of
   * calls.
   */
  call(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word, expected: Expected): void {
    const start = this.#entry(number, a, b, c, d, e, f)
    this.#put(start + at.expected, typeof expected === "number" ? kinds.wanted : kinds[expected])
    this.#put(start + at.wanted, typeof expected === "number" ? expected : 0)
  }

  /**
   * Adds a check. It compares the bits of `mask` in the eight bytes at an address with those at another address, or with a
   * value.
   */
  check({ address, equals, mask, other = 0, value = 0n }: Check): void {
    this.#entry(numbers.check, address, other, mask, value, equals ? 1 : 0, 0)
  }

  /** If the call of an entry fails with one of two errnos, the next `count` entries are skipped. */
  skip(entry: number, count: number, errnos: readonly [number, number]): void {
    const start = entry * entrySize
    this.#put(start + at.skip, count)
    this.#put(start + at.skipOn, -errnos[0])
    this.#put(start + at.skipOn + 8, -errnos[1])
  }

  /** Where the server writes what the call of an entry returned. */
  resultAt(entry: number): number {
    return this.address + entry * entrySize + at.result
  }

  /** Prepares the entry for {@link isMade}. */
  watch(entry: number): void {
    this.#put(entry * entrySize + at.result, notMade)
  }

  /** Whether the call of an entry was made, if the server has ended since. The entry must be watched, and no check. */
  isMade(entry: number): boolean {
    return wordAt(this.#words, (entry * entrySize + at.result) / 4) !== notMade
  }

  /** What the call of an entry returned. It must have been made. */
  result(entry: number): number {
    const word = (entry * entrySize + at.result) / 4
    const result = wordAt(this.#words, word)
    return Number.isSafeInteger(result) ? result : noAnswer
  }

  #entry(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): number {
    const start = this.#length++ * entrySize
    const args = start + at.arguments
    this.#put(start + at.number, number)
    this.#put(args, a)
    this.#put(args + 8, b)
    this.#put(args + 16, c)
    this.#put(args + 24, d)
    this.#put(args + 32, e)
    this.#put(args + 40, f)
    this.#put(start + at.skip, 0)
    return start
  }

  #put(offset: number, value: Word): void {
    putWord(this.#words, this.#view, offset, value)
  }
}

/** A check of memory. */
export interface Check {
  readonly address: number
  readonly other?: number
  readonly mask: bigint
  readonly value?: bigint
  /** Whether the bits should be equal, or differ. */
  readonly equals: boolean
}
