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

/** How many entries a part has. */
export const countOf = ({ entries: { words } }: Kept): number => words.length * 4 / sizes.entry

/** The copy that has an entry of the list. */
export const copyAt = (copies: ReadonlyArray<Copy>, entry: number): Copy | undefined =>
  copies.find(({ first, kept }) => entry >= first && entry < first + countOf(kept))

/**
 * Runs a part that was copied, now that one of its calls has not returned what it did before. So each of its calls is known
 * again. What the server has written stays as it is.
 *
 * @param run runs the part; returns its calls
 */
export const runCopy = (
  { at, first, kept, name }: Copy,
  { batch, memory }: Listing,
  run: Effect.Effect<ReadonlyArray<Made>>
): Effect.Effect<ReadonlyArray<Made>> =>
  Effect.suspend(() => {
    const { used } = memory
    const end = at + kept.data.length
    const putBack = memory.save(at, end)
    const continueBehind = batch.rewind(first)
    memory.used = at
    memory.reserved = new Set(kept.holes.map((hole) => at + hole.at))
    return Effect.map(run, (calls) => {
      memory.reserved = undefined
      if (batch.length !== first + countOf(kept) || memory.used !== end) {
        throw new Error(`step ${name} is not deterministic: with the same facts it makes other calls`)
      }
      putBack()
      continueBehind()
      memory.used = used
      return calls
    })
  })
