/**
 * A list of calls in the memory that this process shares with a server: see `make_list` in server.c.
 *
 * The expected result of an entry is written before the server is asked, and never read back. Of what the server writes,
 * this side reads only the results.
 */
import type { Word } from "../koffi.ts"
import type { Memory, Scratch } from "../Scratch.ts"
import type { Places } from "./Kept.ts"
import { entry as at, expected as kinds, number as numbers, sizes } from "./layout.ts"
import { putWord, wordAt } from "./words.ts"

const entrySize = sizes.entry

/**
 * How many entries a list has at most. All calls of a default container between two that must be made by themselves fit into one
 * list, so that it is handed over once. The smallest memory that a server may have has room for fewer.
 */
const [many, few] = [1024, 384]

/** How many bytes a list takes, by how many are free: the arguments of its calls take the rest, which is the larger part. */
const batchSize = (free: number): number => (free > 8 * many * entrySize ? many : few) * entrySize

/** What a result must be so that the next entry is made: anything, no failure, or a number. */
export type Expected = "anything" | "success" | number

/** The result (EIO) in place of one that no kernel returns. */
const noAnswer = -5

/** A result that no call returns. */
const notMade = -(2 ** 40)

/** Entries that were copied out of a list. */
export interface Entries {
  readonly words: Int32Array
  /** Where addresses are in it, and by what they grow if the entries or their arguments are somewhere else. */
  readonly places: Places
  /** The addresses of the first entry, and of the arguments. */
  readonly entriesAt: number
  readonly dataAt: number
}

/** Words of a list that is not written yet. Only one list at a time uses them. */
let draft: Int32Array | undefined

/** One list. */
export class Batch {
  readonly address: number
  /** The most entries that it can have. */
  readonly most: number
  readonly #shared: Int32Array
  #words: Int32Array
  #view: DataView
  #length = 0
  /** The first entry that is only drafted. */
  #drafted: number | undefined

  constructor({ address, memory }: Memory) {
    this.address = address
    this.most = memory.byteLength / entrySize
    this.#shared = new Int32Array(memory.buffer, memory.byteOffset, memory.byteLength / 4)
    this.#words = this.#shared
    this.#view = viewOf(this.#words)
  }

  /** Makes a list at the front of a process's memory; `start` is where the arguments begin. */
  static at(memory: Scratch): { readonly batch: Batch; readonly start: number } {
    memory.reset()
    const batch = new Batch(memory.piece(batchSize(memory.room)))
    return { batch, start: memory.used }
  }

  get length(): number {
    return this.#length
  }

  clear(): void {
    this.#length = 0
  }

  /** Goes back to an entry, to write it and those behind it again as they are. */
  rewind(length: number): void {
    this.#length = length
  }

  /** The next entries are written to memory that no server sees, until {@link publish} is called. */
  draft(): void {
    if (draft === undefined || draft.length < this.#shared.length) draft = new Int32Array(this.#shared.length)
    this.#words = draft
    this.#view = viewOf(draft)
    this.#drafted = this.#length
  }

  /** Writes the drafted entries to the list; returns a copy of them. */
  publish(): Int32Array | undefined {
    if (this.#drafted === undefined) return undefined
    const first = this.#drafted * entrySize / 4
    const words = this.#words.slice(first, this.#length * entrySize / 4)
    this.#drafted = undefined
    this.#words = this.#shared
    this.#view = viewOf(this.#shared)
    this.#words.set(words, first)
    return words
  }

  /** Adds entries that were copied from another list. Their arguments are at `data`. */
  append({ dataAt, entriesAt, places, words }: Entries, data: number): void {
    const first = this.#length * entrySize / 4
    this.#words.set(words, first)
    this.#move(places.inData, first, data - dataAt)
    this.#move(places.inEntries, first, this.address + this.#length * entrySize - entriesAt)
    this.#length += words.length * 4 / entrySize
  }

  #move(places: ReadonlyArray<number>, first: number, by: number): void {
    if (by === 0) return
    for (let index = 0; index < places.length; index++) {
      const word = first + places[index]!
      putWord(this.#words, this.#view, word * 4, wordAt(this.#words, word) + by)
    }
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
    // without another call for each word: code that runs for the first time is interpreted
    const words = this.#words
    const view = this.#view
    putWord(words, view, start + at.number, number)
    putWord(words, view, args, a)
    putWord(words, view, args + 8, b)
    putWord(words, view, args + 16, c)
    putWord(words, view, args + 24, d)
    putWord(words, view, args + 32, e)
    putWord(words, view, args + 40, f)
    putWord(words, view, start + at.skip, 0)
    return start
  }

  #put(offset: number, value: Word): void {
    putWord(this.#words, this.#view, offset, value)
  }
}

const viewOf = ({ buffer, byteLength, byteOffset }: Int32Array): DataView =>
  new DataView(buffer, byteOffset, byteLength)

/** A check of memory. */
export interface Check {
  readonly address: number
  readonly other?: number
  readonly mask: bigint
  readonly value?: bigint
  /** Whether the bits should be equal, or differ. */
  readonly equals: boolean
}
