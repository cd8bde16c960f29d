/**
 * Memory for the arguments of one call: structures, texts, buffers, at addresses that the kernel can use.
 *
 * One buffer serves all calls, one after the other: blocks are cut from its front and all given back when the next call
 * starts. What does not fit gets a buffer of its own for that call.
 */
import type { Library } from "../koffi.ts"
import type { Field } from "../structs.ts"
import { Refused } from "./Refused.ts"
import * as Text from "./text.ts"

/** Enough for the arguments of nearly every call. */
const arenaSize = 0x40000

/** Writes nothing while it is up. */
interface Pen {
  isUp: boolean
}

/** A piece of memory with its address. */
export class Block {
  readonly address: number
  readonly size: number
  readonly #bytes: Buffer
  readonly #start: number
  readonly #pen: Pen

  constructor(bytes: Buffer, start: number, size: number, address: number, pen: Pen) {
    this.#bytes = bytes
    this.#start = start
    this.size = size
    this.address = address
    this.#pen = pen
  }

  /** Reads a field of the structure at `at`. */
  get<A>(field: Field<A>, at = 0): A {
    return field.get(this.#bytes, this.#start + at)
  }
  /** Writes a field of the structure at `at`. */
  set<A>(field: Field<A>, value: NoInfer<A>, at = 0): void {
    if (!this.#pen.isUp) field.set(this.#bytes, this.#start + at, value)
  }
  u32(at: number): number {
    return this.#bytes.readUInt32LE(this.#start + at)
  }
  setU32(at: number, value: number): void {
    if (!this.#pen.isUp) this.#bytes.writeUInt32LE(value >>> 0, this.#start + at)
  }
  i32(at: number): number {
    return this.#bytes.readInt32LE(this.#start + at)
  }
  setI32(at: number, value: number): void {
    if (!this.#pen.isUp) this.#bytes.writeInt32LE(value | 0, this.#start + at)
  }
  u64(at: number): bigint {
    return this.#bytes.readBigUInt64LE(this.#start + at)
  }
  setU64(at: number, value: bigint): void {
    if (!this.#pen.isUp) this.#bytes.writeBigUInt64LE(BigInt.asUintN(64, value), this.#start + at)
  }
  /** Sets bit `n` of a set that starts at the front. */
  setBit(n: number): void {
    if (!this.#pen.isUp) this.#bytes[this.#start + (n >> 3)]! |= 1 << (n & 7)
  }
  /** The numbers of the bits that are set in the first `size` bytes. */
  bits(size: number): ReadonlyArray<number> {
    const found: Array<number> = []
    for (let n = 0; n < size * 8; n++) {
      if ((this.#bytes[this.#start + (n >> 3)]! & 1 << (n & 7)) !== 0) found.push(n)
    }
    return found
  }
  setBytes(at: number, bytes: Uint8Array): void {
    if (!this.#pen.isUp) this.#bytes.set(bytes, this.#start + at)
  }
  /** A copy, which outlives the call. */
  copy(from: number, to: number): Uint8Array {
    return new Uint8Array(this.#bytes.subarray(this.#start + from, this.#start + to))
  }
  /** A text of known length. */
  text(from: number, to: number): string {
    return Text.read(this.#bytes, this.#start + from, this.#start + to)
  }
  /** A text that a NUL ends, or `to`. */
  textUntilNul(from: number, to: number): string {
    const nul = this.#bytes.indexOf(0, this.#start + from) - this.#start
    return this.text(from, nul < from || nul > to ? to : nul)
  }
  /** Writes a text and its NUL; gives the number of bytes without the NUL. */
  setText(at: number, text: string): number {
    if (this.#pen.isUp) return Text.write(Buffer.alloc(text.length * 3), 0, text)
    const length = Text.write(this.#bytes, this.#start + at, text)
    this.#bytes[this.#start + at + length] = 0
    return length
  }
}

/** Memory at an address that stays. */
export interface Memory {
  readonly memory: Buffer
  readonly address: number
}

/** The memory of one process. */
export class Scratch {
  readonly #library: Library
  readonly #arena: Buffer
  readonly #address: number
  readonly #isOnly: boolean
  readonly #pen: Pen = { isUp: false }
  #used = 0
  /** Buffers of the current call that did not fit, kept from the collector until the next one starts. */
  #large: Array<Buffer> = []

  /** @param only all the memory that there may be; without it, what does not fit gets a buffer of its own */
  constructor(library: Library, only?: Memory) {
    this.#library = library
    this.#isOnly = only !== undefined
    this.#arena = only?.memory ?? Buffer.alloc(arenaSize)
    this.#address = only?.address ?? library.addressOf(this.#arena)
  }

  /** As much of a number of bytes as there is room for. */
  fit(size: number): number {
    return this.#isOnly ? Math.min(size, this.#arena.length - this.#used) : size
  }

  /** Leaves what is written as it is, and with it what the kernel wrote: the blocks are asked for a second time. */
  set isKept(is: boolean) {
    this.#pen.isUp = is
  }

  /** Gives all blocks back. */
  reset(): void {
    this.#used = 0
    if (this.#large.length > 0) this.#large = []
  }

  /** Memory of a size in bytes, aligned to 8, with whatever an earlier call left in it. */
  block(size: number): Block {
    const start = this.#used
    if (start + size > this.#arena.length) return this.#own(size)
    this.#used = start + size + 7 & ~7
    return new Block(this.#arena, start, size, this.#address + start, this.#pen)
  }

  /** Memory of a size in bytes, all zero: for a structure of which some fields are left as they are. */
  zeroed(size: number): Block {
    const start = this.#used
    const block = this.block(size)
    if (start !== this.#used && !this.#pen.isUp) this.#arena.fill(0, start, start + size)
    return block
  }

  /** A text with its NUL; its address. */
  text(text: string): number {
    const block = this.block(text.length * 3 + 1)
    block.setText(0, text)
    return block.address
  }

  /** A text, or 0 for null. */
  textOrNull(text: string | null): number {
    return text === null ? 0 : this.text(text)
  }

  /** Bytes; their address. */
  bytes(bytes: Uint8Array): number {
    const block = this.block(bytes.length)
    block.setBytes(0, bytes)
    return block.address
  }

  /** A vector of texts that a null ends: `argv`. */
  texts(texts: ReadonlyArray<string>): number {
    const pointers = this.block((texts.length + 1) * 8)
    const sizes = texts.map((text) => Buffer.byteLength(text) + 1)
    // one behind the other: there may be hundreds of thousands
    const room = this.block(sizes.reduce((sum, size) => sum + size, 0))
    let at = 0
    texts.forEach((text, index) => {
      pointers.setU64(index * 8, BigInt(room.address + at))
      room.setText(at, text)
      at += sizes[index]!
    })
    pointers.setU64(texts.length * 8, 0n)
    return pointers.address
  }

  /** A vector of 32-bit integers. */
  ints(values: ReadonlyArray<number>): number {
    const block = this.block(values.length * 4)
    values.forEach((value, index) => block.setU32(index * 4, value))
    return block.address
  }

  #own(size: number): Block {
    if (this.#isOnly) throw new Refused("ENOMEM", `the arguments of a call take more than ${this.#arena.length} bytes`)
    const bytes = Buffer.alloc(Math.max(size, 4096))
    this.#large.push(bytes)
    return new Block(bytes, 0, size, this.#library.addressOf(bytes), this.#pen)
  }
}
