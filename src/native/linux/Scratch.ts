/**
 * Memory for the arguments of one call: structures, texts, buffers, at addresses that the kernel can use.
 *
 * One buffer serves all calls, one after the other: blocks are taken from its front, and all are freed when the next call
 * starts. A block that does not fit gets its own buffer for that call.
 */
import { Refused } from "../Refused.ts"
import * as Text from "../text.ts"
import type { Library } from "./koffi.ts"
import type { Field } from "./structs.ts"

/** Enough for the arguments of nearly every call. */
const bufferSize = 0x40000

/** Memory, as bytes and as numbers: a view reads a number by one call, where a buffer makes five. */
interface Views {
  readonly bytes: Buffer
  readonly numbers: DataView
}

const viewsOf = (bytes: Buffer): Views => ({
  bytes,
  numbers: new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
})

/** While it is locked, nothing may be written. */
interface WriteLock {
  isLocked: boolean
}

/**
 * A piece of memory with its address.
 *
 * The process that makes the call may have written its content. If a length or an offset in it leads beyond the piece, that
 * is an error, and nothing outside is read.
 */
export class Block {
  readonly address: number
  readonly size: number
  readonly #views: Views
  readonly #start: number
  readonly #lock: WriteLock

  constructor(views: Views, start: number, size: number, address: number, lock: WriteLock) {
    this.#views = views
    this.#start = start
    this.size = size
    this.address = address
    this.#lock = lock
  }

  /** Reads a field of the structure at `at`. */
  get<A>(field: Field<A>, at = 0): A {
    this.#check(at + field.at, at + field.at + field.size)
    return field.get(this.#views.numbers, this.#start + at + field.at)
  }
  /** Writes a field of the structure at `at`. */
  set<A>(field: Field<A>, value: NoInfer<A>, at = 0): void {
    if (!this.#lock.isLocked) field.set(this.#views.numbers, this.#start + at + field.at, value)
  }
  u32(at: number): number {
    this.#check(at, at + 4)
    return this.#views.numbers.getUint32(this.#start + at, true)
  }
  setU32(at: number, value: number): void {
    if (!this.#lock.isLocked) this.#views.numbers.setUint32(this.#start + at, value, true)
  }
  i32(at: number): number {
    this.#check(at, at + 4)
    return this.#views.numbers.getInt32(this.#start + at, true)
  }
  setI32(at: number, value: number): void {
    if (!this.#lock.isLocked) this.#views.numbers.setInt32(this.#start + at, value, true)
  }
  u64(at: number): bigint {
    this.#check(at, at + 8)
    return this.#views.numbers.getBigUint64(this.#start + at, true)
  }
  setU64(at: number, value: bigint): void {
    if (!this.#lock.isLocked) this.#views.numbers.setBigUint64(this.#start + at, value, true)
  }
  /** Sets bit `n` of the bit set at the front. */
  setBit(n: number): void {
    if (!this.#lock.isLocked) this.#views.bytes[this.#start + (n >> 3)]! |= 1 << (n & 7)
  }
  /** The numbers of the bits that are set in the first `size` bytes. */
  bits(size: number): ReadonlyArray<number> {
    this.#check(0, size)
    const found: Array<number> = []
    for (let n = 0; n < size * 8; n++) {
      if ((this.#views.bytes[this.#start + (n >> 3)]! & 1 << (n & 7)) !== 0) found.push(n)
    }
    return found
  }
  setBytes(at: number, bytes: Uint8Array): void {
    if (!this.#lock.isLocked) this.#views.bytes.set(bytes, this.#start + at)
  }
  /** A copy that outlives the call. */
  copy(from: number, to: number): Uint8Array {
    this.#check(from, to)
    return new Uint8Array(this.#views.bytes.subarray(this.#start + from, this.#start + to))
  }
  /** A text of known length. */
  text(from: number, to: number): string {
    this.#check(from, to)
    return Text.read(this.#views.bytes, this.#start + from, this.#start + to)
  }
  /** A text that ends at a NUL, or at `to`. */
  textUntilNul(from: number, to: number): string {
    this.#check(from, to)
    const nul = this.#views.bytes.indexOf(0, this.#start + from) - this.#start
    return this.text(from, nul < from || nul > to ? to : nul)
  }
  #check(from: number, to: number): void {
    if (!(from >= 0 && from <= to && to <= this.size)) {
      throw new Refused("EIO", "what a call wrote is not what the kernel writes")
    }
  }
  /** Writes a text and its NUL; returns the number of bytes without the NUL. */
  setText(at: number, text: string): number {
    if (this.#lock.isLocked) return Text.write(Buffer.alloc(text.length * 3), 0, text)
    const length = Text.write(this.#views.bytes, this.#start + at, text)
    this.#views.bytes[this.#start + at + length] = 0
    return length
  }
}

/** Memory at a fixed address. */
export interface Memory {
  readonly memory: Buffer
  readonly address: number
}

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

/** The memory of one process. */
export class Scratch {
  readonly #library: Library
  /** What is seen of the memory: its front, until a block needs more. */
  #seen: Views
  /** Where blocks are written: the memory, or a draft of the part of it that begins at `#from`. */
  #buffer: Views
  #from = 0
  readonly #address: number
  readonly #size: number
  readonly #only: Region | undefined
  readonly #lock: WriteLock = { isLocked: false }
  #used = 0
  /** Texts of a draft that are others in a copy, and where they were written; and where a text has the room of another one. */
  #parameters: ReadonlyArray<string> = []
  #reserved: ReadonlySet<number> | undefined
  #holes: Array<Hole> = []
  /** Blocks of the current call that did not fit, kept alive until the next call starts. */
  #large: Array<Buffer> = []

  /** @param only the only memory that may be used; without it, a block that does not fit gets its own buffer */
  constructor(library: Library, only?: Region) {
    this.#library = library
    this.#only = only
    this.#seen = viewsOf(only?.front ?? Buffer.alloc(bufferSize))
    this.#buffer = this.#seen
    this.#address = only?.address ?? library.addressOf(this.#seen.bytes)
    this.#size = only?.size ?? this.#seen.bytes.length
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

  /** Memory of a size in bytes, and its address. Nothing may be drafted. */
  piece(size: number): Memory {
    const start = this.#used
    this.#take(start, size)
    return { memory: this.#seen.bytes.subarray(start, start + size), address: this.#address + start }
  }

  /**
   * The next blocks are written to memory that no server sees, until {@link publish} is called, or until they take more than
   * `size` bytes. Texts that equal one of the parameters get room for another one.
   */
  draft(size: number, parameters: ReadonlyArray<string>): void {
    this.#parameters = parameters
    this.#holes = []
    this.#from = this.#used
    this.#buffer = viewsOf(Buffer.alloc(size))
  }

  /** Writes the drafted blocks to their place; returns a copy of them, or `undefined` if there are none. */
  publish(): Uint8Array | undefined {
    if (this.#buffer === this.#seen) return undefined
    const drafted = this.#buffer.bytes.subarray(0, this.#used - this.#from)
    this.#see(this.#used)
    this.#seen.bytes.set(drafted, this.#from)
    this.#buffer = this.#seen
    this.#from = 0
    this.#parameters = []
    return drafted
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
    this.#seen.bytes.set(data, start)
    for (const { at, parameter } of holes) {
      const end = Text.write(this.#seen.bytes, start + at, parameters[parameter]!)
      this.#seen.bytes[start + at + end] = 0
    }
    return this.#address + start
  }

  /** Whether a text fits where another one was, as a parameter. */
  static isParameter(text: string): boolean {
    return text.length * 3 < parameterSize && Text.canWrite(text)
  }

  /** Copies the memory up to an offset; returns what puts the copy back. */
  save(to: number): () => void {
    const copy = Buffer.from(this.#seen.bytes.subarray(0, to))
    return () => void this.#seen.bytes.set(copy)
  }

  /** Frees all blocks. */
  reset(): void {
    this.#used = 0
    if (this.#large.length > 0) this.#large = []
  }

  /** Memory of a size in bytes, aligned to 8. It may hold data of an earlier call. */
  block(size: number): Block {
    const start = this.#used
    if (start + size > this.#size) return this.#own(size)
    this.#take(start, size)
    return new Block(this.#buffer, start - this.#from, size, this.#address + start, this.#lock)
  }

  /** Memory of a size in bytes, all zero: for a structure of which not all fields are set. */
  zeroed(size: number): Block {
    const start = this.#used
    const block = this.block(size)
    if (start !== this.#used && !this.#lock.isLocked) {
      this.#buffer.bytes.fill(0, start - this.#from, start - this.#from + size)
    }
    return block
  }

  /** Writes a text with its NUL; returns its address. */
  text(text: string): number {
    const parameter = this.#parameters.length === 0 ? -1 : this.#parameters.indexOf(text)
    if (parameter >= 0) this.#holes.push({ at: this.#used - this.#from, parameter })
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
    if (used > this.#from + this.#buffer.bytes.length) this.publish()
    if (this.#buffer === this.#seen) {
      this.#see(start + size)
      this.#buffer = this.#seen
    }
    this.#used = used
  }

  /** Sees the memory up to an offset. */
  #see(to: number): void {
    if (to > this.#seen.bytes.length && this.#only !== undefined) this.#seen = viewsOf(this.#only.whole())
  }

  #own(size: number): Block {
    if (this.#only !== undefined) {
      throw new Refused("E2BIG", `the arguments of a call take more than ${this.#size} bytes`)
    }
    const bytes = Buffer.alloc(Math.max(size, 4096))
    this.#large.push(bytes)
    return new Block(viewsOf(bytes), 0, size, this.#library.addressOf(bytes), this.#lock)
  }
}
