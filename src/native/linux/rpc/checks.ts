/**
 * Adds checks to a list for answers that a call gives in memory, or as a part of its result.
 */
import * as Exit from "effect/Exit"
import { placesOf } from "../messages.ts"
import type { Scratch } from "../Scratch.ts"
import { port } from "./acknowledged.ts"
import type { Batch } from "./Batch.ts"
import { answersInMemory } from "./guesses.ts"
import type { Journeying } from "./later.ts"
import type { Made } from "./Made.ts"

const low32 = 0xffff_ffffn
const whole = 2n ** 64n - 1n

const none = { from: 0, to: 0 }

/** Adds checks that there are these bytes at an address, except for some that may be others. */
const checkBytes = (address: number, bytes: Uint8Array, journey: Journeying, except = none): void => {
  const words = Buffer.alloc(bytes.length + 7 & ~7)
  words.set(bytes)
  const masks = Buffer.alloc(words.length).fill(0xff, 0, bytes.length).fill(0, except.from, except.to)
  for (let at = 0; at < bytes.length; at += 8) {
    const [mask, value] = [masks.readBigUInt64LE(at), words.readBigUInt64LE(at)]
    journey.check({ address: address + at, mask, value: value & mask, equals: true })
  }
}

/** Adds the checks of a call that has just joined the list. From then on the expected outcome is assumed. */
export const checkResult = (made: Made, batch: Batch, memory: Scratch, journey: Journeying): void => {
  const { acknowledged, call, guess, output } = made
  const check = (address: number, mask: bigint, value: bigint) => journey.check({ address, mask, value, equals: true })
  if (acknowledged !== undefined) {
    checkBytes(acknowledged.address, acknowledged.bytes, journey, port)
    // the kernel's own messages come from port 0: the second half of the first eight bytes
    check(acknowledged.sender, low32 << 32n, 0n)
  } else if (guess?._tag === "Bits") {
    const value = Exit.isSuccess(made.exit!) ? Number(made.exit.value) : guess.value
    check(batch.resultAt(made.first), BigInt(guess.mask), BigInt(value & guess.mask))
  } else if (guess?._tag === "Gives" && call._tag === "recvmsg") {
    const { controlLength, data } = placesOf(memory, output)
    const message = Buffer.from(String(guess.value))
    checkBytes(data, message, journey)
    // neither descriptors nor credentials
    check(controlLength, whole, 0n)
    made.exit = Exit.succeed({ data: message, fds: [], credentials: null })
  } else if (guess?._tag === "Gives" && typeof guess.value === "string") {
    checkBytes(output, Buffer.from(`${guess.value}\0`), journey)
    made.exit = Exit.succeed(guess.value)
  } else if (guess?._tag === "Gives" && answersInMemory(call)) {
    check(output, low32, BigInt(guess.value))
    made.exit = Exit.succeed(guess.value)
  } else return
  made.isChecked = true
}
