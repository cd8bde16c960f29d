/**
 * Runs the handlers of calls that join a list.
 *
 * A handler runs once when its call joins the list, and gets the expected result. If it must read what the kernel writes,
 * it is ended. It runs again when the answers have come, with the memory of its arguments as the kernel has left it.
 */
import type { Raw } from "../Syscalls.ts"
import { acknowledgementOf } from "./acknowledged.ts"
import type { Batch } from "./Batch.ts"
import { expectedOf, furtherOf } from "./guesses.ts"
import type { Made } from "./Made.ts"
import type { Process } from "./Process.ts"

/** Thrown if a handler needs an answer that has not come yet. */
const unanswered = Symbol("unanswered")

/** Runs handlers, one after the other. All make their calls with one function, because a journey has hundreds of calls. */
export class Handlers {
  readonly #process: Process
  #made: Made | undefined
  #batch: Batch | undefined
  /** How many answers the running handler has been given. */
  #given = 0
  /** Whether it was ended by `unanswered`. */
  #isLeft = false
  /** The acknowledgement of the request that it has sent. */
  #acknowledgement: Uint8Array | undefined

  constructor(process: Process) {
    this.#process = process
  }

  /** Runs the handler of a call, with the answers that have come, and expected results for the others. */
  run(made: Made, batch: Batch): void {
    const { memory } = this.#process
    this.#made = made
    this.#batch = batch
    this.#given = 0
    this.#isLeft = false
    this.#acknowledgement = undefined
    made.acknowledged = undefined
    memory.isKept = made.answers.length > 0
    try {
      made.exit = this.#process.handle(made.call, this.#raw)
    } catch (cause) {
      if (cause !== unanswered) throw cause
      made.exit = undefined
    }
    memory.isKept = false
  }

  /** Notes the acknowledgement of a request, and expects it of the next message. Returns its size, as the result of that call. */
  #acknowledged(made: Made, number: number, buffer: number, size: number, sender: number): number | undefined {
    const { memory, numbers } = this.#process
    if (number === numbers.sendto) this.#acknowledgement = acknowledgementOf(memory.bytesAt(buffer, size))
    const bytes = this.#acknowledgement
    if (number !== numbers.recvfrom || bytes === undefined) return undefined
    memory.bytesAt(buffer, bytes.length).set(bytes)
    made.acknowledged = { address: buffer, bytes, sender }
    return bytes.length
  }

  readonly #raw: Raw = (number, a, b, c, d, e, f) => {
    const made = this.#made!
    const { answers, call } = made
    const { files, memory, numbers } = this.#process
    // `finally` blocks of the handler may make calls: they will, when it has run again
    if (this.#isLeft) throw unanswered
    if (this.#given < answers.length) {
      const answer = answers[this.#given++]!
      if (this.#given === answers.length) memory.isKept = false
      return answer
    }
    // by index, because destructuring would create an iterator
    const guessed = this.#given + made.count === 0 && call._tag !== "rtnetlink"
      ? expectedOf(made, files)
      : furtherOf(numbers, number, Number(c), files)
    // only of the first run's request: in a later one, no check would confirm what is expected
    const size = call._tag === "rtnetlink" && answers.length === 0
      ? this.#acknowledged(made, number, Number(b), Number(c), Number(e))
      : undefined
    const value = size ?? guessed[1]
    this.#batch!.call(number, a, b, c, d, e, f, size ?? guessed[0])
    made.count++
    made.output = Number(call._tag === "statx" ? e : call._tag === "getcwd" ? a : b)
    if (value !== undefined) return value
    this.#isLeft = true
    throw unanswered
  }
}
