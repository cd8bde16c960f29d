/**
 * The parts of a list that did not run, because their calls were copied from an earlier run.
 */
import * as Effect from "effect/Effect"
import type { Scratch } from "../Scratch.ts"
import type { Batch } from "./Batch.ts"
import type { Kept } from "./Kept.ts"
import { sizes } from "./layout.ts"
import type { Made } from "./Made.ts"

/** A part whose calls were copied: where they are in the list and in memory, and what runs if they do not go as before. */
export interface Copy {
  readonly kept: Kept
  /** The step, the number of the part, and its name. */
  readonly of: object
  readonly part: number
  readonly name: string
  readonly first: number
  readonly at: number
  readonly self: () => Effect.Effect<unknown, unknown>
}

/** A list and the memory that it is in. */
interface Listing {
  readonly batch: Batch
  readonly memory: Scratch
}

const countOf = ({ entries: { words } }: Kept): number => words.length * 4 / sizes.entry

/** Whether a list has room for a part, for one more entry, and for the arguments of the largest calls after it. */
export const hasRoom = (kept: Kept, { batch, memory }: Listing, room: number): boolean =>
  batch.length + countOf(kept) + 1 <= batch.most - 16 && memory.room - kept.data.length >= 2 * room

/**
 * Runs the parts that were copied, now that one call of the list has not returned what it did before. So each call is known
 * again, with its part. What the server has written stays as it is.
 *
 * @param run runs one part; returns its calls
 */
export const runCopies = (
  copies: ReadonlyArray<Copy>,
  { batch, memory }: Listing,
  run: (copy: Copy) => Effect.Effect<ReadonlyArray<Made>>
): Effect.Effect<ReadonlyArray<Made>> =>
  Effect.suspend(() => {
    const { length } = batch
    const { used } = memory
    const putBack = memory.save(Math.max(...copies.map(({ at, kept }) => at + kept.data.length)))
    const all: Array<Made> = []
    const runOne = (copy: Copy) =>
      Effect.suspend(() => {
        const { at, first, kept, name } = copy
        batch.rewind(first)
        memory.used = at
        memory.reserved = new Set(kept.holes.map((hole) => at + hole.at))
        return Effect.map(run(copy), (calls) => {
          memory.reserved = undefined
          all.push(...calls)
          if (batch.length !== first + countOf(kept) || memory.used !== at + kept.data.length) {
            throw new Error(`step ${name} is not deterministic: with the same facts it makes other calls`)
          }
        })
      })
    return Effect.map(Effect.forEach(copies, runOne, { discard: true }), () => {
      putBack()
      batch.rewind(length)
      memory.used = used
      return all
    })
  })
