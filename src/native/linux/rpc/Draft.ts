/**
 * A part of a journey that is kept while it runs: it writes its calls to memory that no server sees, from where they are
 * copied to the list.
 */
import * as Exit from "effect/Exit"
import type { Keeping } from "../../Ahead.ts"
import { Scratch } from "../Scratch.ts"
import type { Batch } from "./Batch.ts"
import { mayWait } from "./guesses.ts"
import { addressesIn, type Circumstances, holdsAddress, type Kept } from "./Kept.ts"
import { sizes } from "./layout.ts"
import { type Made, noCall } from "./Made.ts"
import type { FileChanges, OpenFiles } from "./OpenFiles.ts"

/** The most memory, in bytes, that the arguments of a part take if it is kept: a few times those of 500 mounts. */
export const mostData = 0x20_0000

/** Where a part is. */
export interface Place extends Circumstances {
  readonly batch: Batch
  readonly memory: Scratch
}

/** Whether a descriptor has its name from one of the texts. */
const isNamedBy = (
  { call, from }: FileChanges["opened"][number]["lineage"],
  texts: ReadonlyArray<string>
): boolean => "path" in call && texts.includes(call.path) || typeof from === "object" && isNamedBy(from, texts)

/** The draft of one part. */
export class Draft {
  readonly keeping: Keeping
  readonly #place: Place
  readonly #first: number
  readonly #at: number
  #isOver = false

  constructor(keeping: Keeping, place: Place) {
    this.keeping = keeping
    this.#place = place
    this.#first = place.batch.length
    this.#at = place.memory.used
    place.batch.draft()
    place.memory.draft(Math.min(mostData, place.memory.room), keeping.parameters)
  }

  /** Publishes what is drafted. The list is handed over before the part has ended, so it can't be kept. */
  stop(): void {
    this.#isOver = true
    this.#publish()
  }

  #publish() {
    return { words: this.#place.batch.publish(), data: this.#place.memory.publish() }
  }

  /** Publishes what is drafted; returns it, if a copy of it would do the same for another process. */
  finish(
    exit: Exit.Exit<unknown, unknown>,
    log: ReadonlyArray<Made>,
    files: OpenFiles
  ): Kept | undefined {
    const { data, words } = this.#publish()
    if (this.#isOver || words === undefined || data === undefined || Exit.isFailure(exit)) return undefined
    if (log.some(({ call }) => call === noCall)) return undefined
    const { batch, files: before, memory, ...circumstances } = this.#place
    const { parameters } = this.keeping
    const holes = memory.holes
    // a parameter that no call has got as it is was used for something else; of two that are equal, one has no call. If several
    // calls have got its text, one of them may have it from elsewhere, and must get the same text in a copy
    if (
      parameters.some((text, index) =>
        !Scratch.isParameter(text) || holes.filter(({ parameter }) => parameter === index).length !== 1
      )
    ) {
      return undefined
    }
    const changes = files.changesSince(before)
    const known = this.keeping.known(exit.value)
    const entriesAt = batch.address + this.#first * sizes.entry
    const dataAt = memory.range.from + this.#at
    const entries = { from: entriesAt, to: entriesAt + words.byteLength }
    // the arguments come after the list
    const all = { from: batch.address, to: memory.range.to }
    const places = addressesIn(words, entries, { from: dataAt, to: dataAt + data.length }, all)
    // in a copy it would have the name of another container's file, which messages show
    if (changes?.opened.some(({ lineage }) => isNamedBy(lineage, parameters)) === true) return undefined
    if (changes === undefined || known === undefined || places === undefined || holdsAddress(data, all)) {
      return undefined
    }
    return {
      inputs: known.inputs,
      exit: Exit.succeed(known.result) as Exit.Success<unknown>,
      circumstances: { ...circumstances, files: before },
      entries: { words, places, entriesAt, dataAt },
      data,
      holes,
      files: changes,
      waits: log.some(({ call }) => mayWait(call))
    }
  }
}
