/**
 * A list of calls in the memory that this process shares with a server: see `make_list` in server.c.
 *
 * The expected result of an entry is written before the server is asked, and never read back. Of what the server writes,
 * this side reads only the results.
 */
import type { Word } from "../koffi.ts"
import type { Region } from "../Scratch.ts"
import type { Places } from "./Kept.ts"
import { entry as at, expected as kinds, number as numbers, sizes } from "./layout.ts"
import { putWord, wordAt } from "./words.ts"

const entrySize = sizes.entry
const entryWords = entrySize / 4

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

/** How many words of a draft are kept for the next one. */
const draftWords = 1024 * entryWords

/** Words of a draft that has ended, for the next one. */
let spare: Int32Array | undefined

/** One list. */
export class Batch {
  readonly address: number
  /** The most entries that it can have. */
  readonly most: number
  readonly #region: Region
  /** What is seen of the region: its front, until there are more entries. */
  #shared: Int32Array
  #words: Int32Array
  #view: DataView
  #length = 0
  #isRewound = false
  /** The first entry that is only drafted. */
  #drafted: number | undefined

  constructor(region: Region) {
    this.address = region.address
    this.most = Math.floor(region.size / entrySize)
    this.#region = region
    this.#shared = wordsOf(region.front)
    this.#words = this.#shared
    this.#view = viewOf(this.#words)
  }

  get length(): number {
    return this.#length
  }

  /** Removes all entries, and drops those that are only drafted. */
  clear(): void {
    this.#length = 0
    this.#isRewound = false
    if (!this.isDrafted) return
    this.#drafted = undefined
    this.#use(this.#shared)
  }

  /** Goes back to an entry, to write it and those behind it again as they are; returns what continues behind the last one. */
  rewind(entry: number): () => void {
    const length = this.#length
    this.#length = entry
    this.#isRewound = true
    return () => {
      this.#length = length
      this.#isRewound = false
    }
  }

  /** Whether entries are written again. There is room for them, since they are there. */
  get isRewound(): boolean {
    return this.#isRewound
  }

  /** The next entries are written to memory that no server sees, until {@link publish} is called. */
  draft(): void {
    this.#drafted = this.#length
    this.#use(spare ?? new Int32Array(draftWords))
    spare = undefined
    this.#see(this.#length)
  }

  /** Whether entries are only drafted. */
  get isDrafted(): boolean {
    return this.#drafted !== undefined
  }

  /** Writes the drafted entries to the list; returns a copy of them. */
  publish(): Int32Array | undefined {
    if (this.#drafted === undefined) return undefined
    const draft = this.#words
    const first = this.#drafted * entryWords
    const words = draft.slice(first, this.#length * entryWords)
    this.#drafted = undefined
    if (draft.length === draftWords) spare = draft
    this.#use(this.#shared)
    this.#see(this.#length)
    this.#words.set(words, first)
    return words
  }

  #use(words: Int32Array): void {
    this.#words = words
    this.#view = viewOf(words)
  }

  /** Makes so many entries seen, if they are not yet. */
  #see(length: number): void {
    if (length * entryWords <= this.#words.length) return
    if (this.isDrafted) {
      const larger = new Int32Array(Math.max(length * entryWords, 2 * this.#words.length))
      larger.set(this.#words)
      return this.#use(larger)
    }
    this.#shared = wordsOf(this.#region.whole())
    this.#use(this.#shared)
  }

  /** Adds entries that were copied from another list. Their arguments are at `data`. */
  append({ dataAt, entriesAt, places, words }: Entries, data: number): void {
    const first = this.#length * entryWords
    const length = this.#length + words.length / entryWords
    this.#see(length)
    this.#words.set(words, first)
    this.#move(places.inData, first, data - dataAt)
    this.#move(places.inEntries, first, this.address + this.#length * entrySize - entriesAt)
    this.#length = length
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
    this.#see(this.#length)
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

const wordsOf = ({ buffer, byteLength, byteOffset }: Buffer): Int32Array =>
  new Int32Array(buffer, byteOffset, byteLength / 4)

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
