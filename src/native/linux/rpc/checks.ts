/**
 * Adds checks to a list for answers that a call gives in memory, or as a part of its result.
 */
import * as Exit from "effect/Exit"
import type { Batch } from "./Batch.ts"
import { answersInMemory } from "./guesses.ts"
import type { Journeying } from "./later.ts"
import type { Made } from "./Made.ts"

const low32 = 0xffff_ffffn

/** Adds the checks of a call that has just joined the list. From then on the expected outcome is assumed. */
export const checkResult = (made: Made, batch: Batch, journey: Journeying): void => {
  const { call, guess, output } = made
  const check = (address: number, mask: bigint, value: bigint) => journey.check({ address, mask, value, equals: true })
  if (guess?._tag === "Bits") {
    const value = Exit.isSuccess(made.exit!) ? Number(made.exit.value) : guess.value
    check(batch.resultAt(made.first), BigInt(guess.mask), BigInt(value & guess.mask))
  } else if (guess?._tag === "Gives" && typeof guess.value === "string") {
    const bytes = Buffer.alloc(Buffer.byteLength(guess.value) + 8 & ~7)
    bytes.write(guess.value)
    const end = Buffer.byteLength(guess.value) + 1
    for (let at = 0; at < end; at += 8) {
      check(output + at, 2n ** BigInt(Math.min(8, end - at) * 8) - 1n, bytes.readBigUInt64LE(at))
    }
    made.exit = Exit.succeed(guess.value)
  } else if (guess?._tag === "Gives" && answersInMemory(call)) {
    check(output, low32, BigInt(guess.value))
    made.exit = Exit.succeed(guess.value)
  } else return
  made.isChecked = true
}
