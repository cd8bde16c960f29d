/** Takes what a program writes, up to a limit; what is beyond it is never kept in memory. */
import type { Readable } from "node:stream"

/** What happens with output beyond the limit. */
export type Overflow = "end" | "first" | "last"

/** The output of one stream. */
export class Collector {
  readonly #limit: number
  readonly #keep: "first" | "last"
  readonly #chunks: Array<Buffer> = []
  #size = 0
  /** Bytes that were written, kept or not. */
  total = 0

  /**
   * @param onOverflow is called once, when there is more than the limit
   */
  constructor(stream: Readable, limit: number, keep: "first" | "last", onOverflow: () => void) {
    this.#limit = limit
    this.#keep = keep
    stream.on("data", (chunk: Buffer) => {
      const before = this.total
      this.total += chunk.length
      this.#take(chunk)
      if (before <= limit && this.total > limit) onOverflow()
    })
  }

  #take(chunk: Buffer): void {
    if (this.#keep === "first") {
      const room = this.#limit - this.#size
      if (room <= 0) return
      // a part of Node's buffer would keep all of it
      const kept = chunk.length <= room ? chunk : Buffer.from(chunk.subarray(0, room))
      this.#chunks.push(kept)
      this.#size += kept.length
      return
    }
    this.#chunks.push(chunk)
    this.#size += chunk.length
    while (this.#size - this.#chunks[0]!.length >= this.#limit) this.#size -= this.#chunks.shift()!.length
  }

  /** Whether there was more than was kept. */
  get truncated(): boolean {
    return this.total > this.#limit
  }

  /** All that was kept. */
  get bytes(): Buffer {
    const all = Buffer.concat(this.#chunks)
    return this.#keep === "last" && all.length > this.#limit ? all.subarray(all.length - this.#limit) : all
  }
}
