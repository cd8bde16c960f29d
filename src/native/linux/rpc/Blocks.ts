/**
 * Blocks of calls that are skipped if the first of them fails with one of two errnos: see `Ahead.ifOpen`.
 */
import { type Errno, numberOf } from "../../Errno.ts"
import type { Batch } from "./Batch.ts"
import type { Made } from "./Made.ts"
import type { OpenFiles } from "./OpenFiles.ts"

/** A block. */
interface Block {
  readonly codes: readonly [Errno, Errno]
  /** Its first call; `files` are the process's descriptors before it. */
  made?: Made
  files?: OpenFiles
}

/** The blocks of the running part. */
export class Blocks {
  /** The block that begins with the next call. */
  #entering: Block | undefined
  /** How many have begun that have not ended. */
  #open = 0

  /** Whether the entries of the list may still be changed: a block that ends has its calls skipped. */
  get areOpen(): boolean {
    return this.#open > 0
  }

  /** Begins a block with the next call; returns the function that ends it. */
  enter(codes: Block["codes"]): (batch: Batch, now: OpenFiles) => void {
    const block: Block = { codes }
    this.#entering = block
    this.#open++
    return (batch, now) => {
      this.leave()
      end(block, batch, now)
    }
  }

  /** A block ends, and its calls stay as they are. */
  leave(): void {
    this.#entering = undefined
    this.#open--
  }

  /** A call joins the list. */
  join(made: Made, files: OpenFiles): void {
    const block = this.#entering
    if (block === undefined) return
    block.made = made
    block.files = files.copy()
    this.#entering = undefined
  }
}

/** Ends a block: if its first call fails with one of the errnos, the calls behind it are skipped. */
const end = ({ codes, files, made }: Block, batch: Batch, now: OpenFiles): void => {
  if (made === undefined || made.isSettled || files === undefined) return
  // a block that leaves descriptors open or closed can't be skipped
  if (!now.isSame(files)) return
  made.codes = codes
  made.until = batch.length
  const [one, other] = codes
  batch.skip(made.first, made.until - made.first - 1, [numberOf(one), numberOf(other)])
}
