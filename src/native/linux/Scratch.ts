/**
 * Memory for the arguments of one call: structures, texts, buffers, at addresses that the kernel can use.
 *
 * One buffer serves all calls, one after the other: blocks are taken from its front, and all are freed when the next call
 * starts. A block that does not fit gets its own buffer for that call.
 */
import { Refused } from "../Refused.ts"
import * as Text from "../text.ts"
import { Block, show, type Window, windowOf, type WriteLock } from "./Block.ts"
import type { Library } from "./koffi.ts"

/** Enough for the arguments of nearly every call. */
const bufferSize = 0x40000

/**
 * Memory at a fixed address, of which only the front is seen at first. V8 counts all that a buffer sees as memory in use, though the
 * kernel has given no page for most of it; after 64 MiB of that it collects the whole heap.
 */
export interface Region {
  readonly address: number
  /** All of its bytes. */
  readonly size: number
  /** Its front. */
  readonly front: Buffer
  /** Makes a buffer that sees all of it. */
  readonly whole: () => Buffer
}

/** Room for a text that may be another one in a copy. A longer one is not copied. */
const parameterSize = 512

/** A text in drafted memory that may be another one in a copy: its offset, and its number among the parameters. */
export interface Hole {
  readonly at: number
  readonly parameter: number
}

const noTexts: ReadonlyArray<string> = []

/** How many bytes a draft has at first: enough for nearly all. */
const draftSize = 0x1_0000

/** Memory of a draft that has ended, for the next one. */
let spare: Buffer | undefined

/** The memory of one process. */
export class Scratch {
  readonly #library: Library
  /** What is seen of the memory: its front, until a block needs more. */
  readonly #seen: Window
  /** Where blocks are written: the memory, or a draft of a part of it. */
  #window: Window
  /** The most bytes of the draft. */
  #most = 0
  readonly #address: number
  readonly #size: number
  readonly #only: Region | undefined
  readonly #lock: WriteLock = { isLocked: false }
  #used = 0
  /** Texts of a draft that are others in a copy, and where they were written; and where a text has the room of another one. */
  #parameters = noTexts
  #reserved: ReadonlySet<number> | undefined
  #holes: Array<Hole> = []
  /** Blocks of the current call that did not fit, kept alive until the next call starts. */
  #large: Array<Buffer> = []

  /** @param only the only memory that may be used; without it, a block that does not fit gets its own buffer */
  constructor(library: Library, only?: Region) {
    this.#library = library
    this.#only = only
    const bytes = only?.front ?? Buffer.alloc(bufferSize)
    this.#seen = windowOf(bytes)
    this.#window = this.#seen
    this.#address = only?.address ?? library.addressOf(bytes)
    this.#size = only?.size ?? bytes.length
  }

  /** A size in bytes, limited to the room that is left if there is no other memory. */
  fit(size: number): number {
    return this.#only === undefined ? size : Math.min(size, this.room)
  }

  /**
   * Whether writes are ignored. A handler that runs again takes the same blocks, and their content, which the kernel may
   * have written, must stay.
   */
  set isKept(is: boolean) {
    this.#lock.isLocked = is
  }

  /** How many bytes are in use. A lower value frees the blocks taken since; a higher one takes them again. */
  get used(): number {
    return this.#used
  }
  set used(bytes: number) {
    this.#used = bytes
  }

  /** How many bytes are left. */
  get room(): number {
    return this.#size - this.#used
  }

  /** The addresses of all memory. */
  get range(): { readonly from: number; readonly to: number } {
    return { from: this.#address, to: this.#address + this.#size }
  }

  /**
   * The next blocks are written to memory that no server sees, until {@link publish} is called, or until they take more than
   * `most` bytes. Texts that equal one of the parameters get room for another one.
   */
  draft(most: number, parameters: ReadonlyArray<string>): void {
    this.#parameters = parameters
    this.#holes = []
    this.#most = most
    this.#window = windowOf(spare?.fill(0) ?? Buffer.alloc(draftSize), this.#used)
    spare = undefined
  }

  /** Writes the drafted blocks to their place; returns a copy of them, or `undefined` if there are none. */
  publish(): Uint8Array | undefined {
    const draft = this.#window
    if (draft === this.#seen) return undefined
    const { bytes, from } = draft
    const data = new Uint8Array(bytes.subarray(0, this.#used - from))
    this.#see(this.#used)
    this.#seen.bytes.set(data, from)
    this.#window = this.#seen
    // a block of the draft is written to still, in its new place
    show(draft, this.#seen.bytes, 0)
    this.#parameters = noTexts
    if (bytes.length === draftSize) spare = bytes
    return data
  }

  /** Where parameters were written in what was drafted last, counted from its front. */
  get holes(): ReadonlyArray<Hole> {
    return this.#holes
  }

  /** The offsets at which texts get room for another one from now on, as they had in a draft. */
  set reserved(offsets: ReadonlySet<number> | undefined) {
    this.#reserved = offsets
  }

  /** Adds a copy of blocks that were published, with its parameters in the holes; returns its address. */
  append(data: Uint8Array, holes: ReadonlyArray<Hole>, parameters: ReadonlyArray<string>): number {
    const start = this.#used
    this.#take(start, data.length)
    const { bytes } = this.#seen
    bytes.set(data, start)
    for (const { at, parameter } of holes) {
      const end = Text.write(bytes, start + at, parameters[parameter]!)
      bytes[start + at + end] = 0
    }
    return this.#address + start
  }

  /** Whether a text fits where another one was, as a parameter. */
  static isParameter(text: string): boolean {
    return text.length * 3 < parameterSize && Text.canWrite(text)
  }

  /** The bytes of a block of the current call. */
  bytesAt(address: number, size: number): Buffer {
    const { bytes, from } = this.#window
    const start = address - this.#address - from
    return bytes.subarray(start, start + size)
  }

  /** Copies the memory between two offsets; returns what puts the copy back. */
  save(from: number, to: number): () => void {
    const copy = Buffer.from(this.#seen.bytes.subarray(from, to))
    return () => void this.#seen.bytes.set(copy, from)
  }

  /** Frees all blocks, and drops a draft that was not published. */
  reset(): void {
    this.#used = 0
    this.#window = this.#seen
    this.#parameters = noTexts
    this.#reserved = undefined
    if (this.#large.length > 0) this.#large = []
  }

  /** Memory of a size in bytes, aligned to 8. It may hold data of an earlier call. */
  block(size: number): Block {
    const start = this.#used
    if (start + size > this.#size) return this.#own(size)
    this.#take(start, size)
    return new Block(this.#window, start, size, this.#address + start, this.#lock)
  }

  /** Memory of a size in bytes, all zero: for a structure of which not all fields are set. */
  zeroed(size: number): Block {
    const start = this.#used
    const block = this.block(size)
    if (start !== this.#used && !this.#lock.isLocked) {
      const { bytes, from } = this.#window
      bytes.fill(0, start - from, start - from + size)
    }
    return block
  }

  /** Writes a text with its NUL; returns its address. */
  text(text: string): number {
    const parameter = this.#parameters.length === 0 ? -1 : this.#parameters.indexOf(text)
    if (parameter >= 0) this.#holes.push({ at: this.#used - this.#window.from, parameter })
    const isReserved = parameter >= 0 || this.#reserved?.has(this.#used) === true
    const block = this.block(Math.max(text.length * 3 + 1, isReserved ? parameterSize : 0))
    block.setText(0, text)
    return block.address
  }

  /** As `text`; 0 for null. */
  textOrNull(text: string | null): number {
    return text === null ? 0 : this.text(text)
  }

  /** Writes bytes; returns their address. */
  bytes(bytes: Uint8Array): number {
    const block = this.block(bytes.length)
    block.setBytes(0, bytes)
    return block.address
  }

  /** Writes a vector of texts that ends with NULL, such as `argv`; returns its address. */
  texts(texts: ReadonlyArray<string>): number {
    const pointers = this.block((texts.length + 1) * 8)
    const sizes = texts.map((text) => Buffer.byteLength(text) + 1)
    // one block for all: there may be hundreds of thousands of texts
    const room = this.block(sizes.reduce((sum, size) => sum + size, 0))
    let at = 0
    texts.forEach((text, index) => {
      // without a bigint for each of them
      pointers.setU32(index * 8, room.address + at)
      pointers.setU32(index * 8 + 4, (room.address + at) / 2 ** 32)
      room.setText(at, text)
      at += sizes[index]!
    })
    pointers.setU64(texts.length * 8, 0n)
    return pointers.address
  }

  /** Writes a vector of 32-bit integers; returns its address. */
  ints(values: ReadonlyArray<number>): number {
    const block = this.block(values.length * 4)
    values.forEach((value, index) => block.setU32(index * 4, value))
    return block.address
  }

  #take(start: number, size: number): void {
    const used = start + size + 7 & ~7
    if (this.#window !== this.#seen) this.#extend(used - this.#window.from)
    if (this.#window === this.#seen) this.#see(start + size)
    this.#used = used
  }

  /** Makes a draft larger; publishes it if it may not have so many bytes. */
  #extend(size: number): void {
    const { bytes, from } = this.#window
    if (size > this.#most) this.publish()
    else if (size > bytes.length) {
      const larger = Buffer.alloc(Math.max(size, 2 * bytes.length))
      larger.set(bytes)
      show(this.#window, larger, from)
    }
  }

  /** Sees the memory up to an offset. */
  #see(to: number): void {
    if (to > this.#seen.bytes.length && this.#only !== undefined) show(this.#seen, this.#only.whole(), 0)
  }

  #own(size: number): Block {
    if (this.#only !== undefined) {
      throw new Refused("E2BIG", `the arguments of a call take more than ${this.#size} bytes`)
    }
    const bytes = Buffer.alloc(Math.max(size, 4096))
    this.#large.push(bytes)
    return new Block(windowOf(bytes), 0, size, this.#library.addressOf(bytes), this.#lock)
  }
}
