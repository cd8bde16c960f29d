/**
 * The calls that parts of journeys have made, kept so that they can be copied for the next containers.
 *
 * What is kept was written by this process to its own memory, and copied to the shared memory afterwards: no server could
 * change it. A copy depends on what the part has read (its inputs), on the process's descriptors, and on what was learned of
 * the step; it does not depend on where the list and the arguments are.
 */
import type * as Exit from "effect/Exit"
import type { Inputs } from "../../Ahead.ts"
import { type Hole, Scratch } from "../Scratch.ts"
import type { Entries } from "./Batch.ts"
import type { Answers } from "./History.ts"
import { entry as at, number as numbers, sizes } from "./layout.ts"
import type { FileChanges, OpenFiles } from "./OpenFiles.ts"
import { wordAt } from "./words.ts"

/** The state of a process that decides how a part's calls look, besides the part's inputs. */
export interface Circumstances {
  readonly files: OpenFiles
  /** Its descriptor of the link. */
  readonly link: number | undefined
  readonly answers: Answers | undefined
}

/** The calls of one part. */
export interface Kept {
  readonly inputs: unknown
  readonly exit: Exit.Success<unknown>
  readonly circumstances: Circumstances
  readonly entries: Entries
  /** Its arguments, with room for what the kernel writes. */
  readonly data: Uint8Array
  /** Where its parameters are among them. */
  readonly holes: ReadonlyArray<Hole>
  readonly files: FileChanges
  /** Whether one of its calls may wait for another process. */
  readonly waits: boolean
}

/** How many runs of one step are kept: enough for some kinds of containers at a time. */
const most = 4

/** How many runs of all steps are kept, and how many bytes their calls take: a list of 500 mounts takes 1.6 MB. */
const mostOfAll = { runs: 512, bytes: 0x100_0000 } as const

/** After so many runs that did not help another, only each {@link rarely}th is kept. */
const enough = 8
const rarely = 64

/** How often a step has run, and what is kept of it. */
interface Record {
  readonly kept: Array<Kept>
  /** In how many journeys, and the last of them. */
  runs: number
  journey: symbol | undefined
  /** How many runs were kept, or could not be, since one was copied. */
  unused: number
}

/** How many bytes the calls of a part take. */
const bytesOf = ({ data, entries: { words, places } }: Kept): number =>
  data.byteLength + words.byteLength + 8 * (places.inData.length + places.inEntries.length)

/** What is kept of all steps of a kernel. */
export class KeptParts {
  readonly #records = new WeakMap<object, Record>()
  /** All that is kept, what was of use last at the end. */
  readonly #all = new Map<Kept, Record>()
  #bytes = 0
  /** Memory in which a part writes its calls first; only one part at a time does. */
  #isFree = true

  #of(step: object): Record {
    const known = this.#records.get(step)
    if (known !== undefined) return known
    const record: Record = { kept: [], runs: 0, journey: undefined, unused: 0 }
    this.#records.set(step, record)
    return record
  }

  /** A run with the same inputs in the same circumstances, and the parameters of this one. */
  find(
    { match, of }: Inputs,
    now: Circumstances
  ): { readonly kept: Kept; readonly parameters: ReadonlyArray<string> } | undefined {
    const record = this.#records.get(of)
    if (record === undefined) return undefined
    const { kept } = record
    for (let index = 0; index < kept.length; index++) {
      const one = kept[index]!
      const { answers, files, link } = one.circumstances
      if (answers !== now.answers || link !== now.link || !files.isLike(now.files)) continue
      const parameters = match(one.inputs)
      if (parameters === undefined || !parameters.every(Scratch.isParameter)) continue
      record.unused = 0
      // the last one that was of use is found first, and forgotten last
      if (index > 0) kept.unshift(...kept.splice(index, 1))
      this.#all.delete(one)
      this.#all.set(one, record)
      return { kept: one, parameters }
    }
    return undefined
  }

  /**
   * Whether the next run of a step should be kept. Those of its first journey are not: a command makes one container only, and what
   * is unusual about the host is not known yet.
   *
   * @param journey stands for the journey, which would be held with all that it has made
   */
  begin(step: object, journey: symbol): boolean {
    const record = this.#of(step)
    if (record.journey !== journey) record.runs++
    record.journey = journey
    const isWorthIt = record.unused < enough || record.runs % rarely === 0
    if (record.runs === 1 || !isWorthIt || !this.#isFree) return false
    record.unused++
    this.#isFree = false
    return true
  }

  /** Ends what {@link begin} has begun. */
  end(): void {
    this.#isFree = true
  }

  /** Keeps a run of a step whose calls have all returned what was expected. */
  add(step: object, kept: Kept): void {
    const record = this.#of(step)
    record.kept.unshift(kept)
    this.#all.set(kept, record)
    this.#bytes += bytesOf(kept)
    const last = record.kept[most]
    if (last !== undefined) this.drop(last)
    for (const oldest of this.#all.keys()) {
      if (this.#all.size <= mostOfAll.runs && this.#bytes <= mostOfAll.bytes) break
      this.drop(oldest)
    }
  }

  /** Forgets a run: a call that was copied has returned something else, or there are too many. */
  drop(kept: Kept): void {
    const record = this.#all.get(kept)
    if (record === undefined) return
    this.#all.delete(kept)
    this.#bytes -= bytesOf(kept)
    record.kept.splice(record.kept.indexOf(kept), 1)
  }
}

/** Which of an entry's arguments may be addresses: of a check, the first two. */
const addressesOf = (words: Int32Array, start: number): number =>
  wordAt(words, (start + at.number) / 4) === numbers.check ? 2 : 6

/** Where addresses are in entries. */
export interface Places {
  /** Indexes of 32-bit words that begin an address of the part's arguments. */
  readonly inData: ReadonlyArray<number>
  /** The same for an address of the part's entries. */
  readonly inEntries: ReadonlyArray<number>
}

/** A range of addresses. */
interface Range {
  readonly from: number
  readonly to: number
}

const isIn = (address: number, { from, to }: Range): boolean => address >= from && address < to

/**
 * Finds the addresses in the entries of a part. Returns `undefined` if one leads to what another part has written, which will
 * be somewhere else.
 */
export const addressesIn = (words: Int32Array, entries: Range, data: Range, all: Range): Places | undefined => {
  const inData: Array<number> = []
  const inEntries: Array<number> = []
  for (let start = 0; start < words.length * 4; start += sizes.entry) {
    for (let argument = 0; argument < addressesOf(words, start); argument++) {
      const word = (start + at.arguments + argument * 8) / 4
      const value = wordAt(words, word)
      if (!isIn(value, all)) continue
      if (isIn(value, data)) inData.push(word)
      else if (isIn(value, entries)) inEntries.push(word)
      else return undefined
    }
  }
  return { inData, inEntries }
}

/** Whether arguments in memory hold an address of it, which a copy elsewhere would have to change. */
export const holdsAddress = (data: Uint8Array, all: Range): boolean => {
  const words = new Int32Array(data.buffer, data.byteOffset, data.byteLength / 4)
  for (let word = 0; word + 1 < words.length; word += 2) if (isIn(wordAt(words, word), all)) return true
  return false
}
