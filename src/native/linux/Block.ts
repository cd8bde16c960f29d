/**
 * A piece of the memory for the arguments of calls.
 */
import { Refused } from "../Refused.ts"
import * as Text from "../text.ts"
import type { Field } from "./structs.ts"

/** While it is locked, nothing may be written. */
export interface WriteLock {
  isLocked: boolean
}

/**
 * Bytes in which blocks are written, and the offset in the memory of the first of them. Blocks stay valid if it changes. A view
 * reads a number by one call, where a buffer makes five.
 */
export interface Window {
  bytes: Buffer
  numbers: DataView
  from: number
}

/** Shows bytes that begin at an offset of the memory. */
export const windowOf = (bytes: Buffer, from = 0): Window => ({
  bytes,
  numbers: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  from
})

/** Has a window show other bytes. */
export const show = (window: Window, bytes: Buffer, from: number): void =>
  void Object.assign(window, windowOf(bytes, from))

/**
 * A piece of memory with its address.
 *
 * The process that makes the call may have written its content. If a length or an offset in it leads beyond the piece, that
 * is an error, and nothing outside is read.
 */
export class Block {
  readonly address: number
  readonly size: number
  readonly #window: Window
  readonly #start: number
  readonly #lock: WriteLock

  constructor(window: Window, start: number, size: number, address: number, lock: WriteLock) {
    this.#window = window
    this.#start = start
    this.size = size
    this.address = address
    this.#lock = lock
  }

  /** Reads a field of the structure at `at`. */
  get<A>(field: Field<A>, at = 0): A {
    this.#check(at + field.at, at + field.at + field.size)
    const { from, numbers } = this.#window
    return field.get(numbers, this.#start - from + at + field.at)
  }
  /** Writes a field of the structure at `at`. */
  set<A>(field: Field<A>, value: NoInfer<A>, at = 0): void {
    const { from, numbers } = this.#window
    if (!this.#lock.isLocked) field.set(numbers, this.#start - from + at + field.at, value)
  }
  u32(at: number): number {
    this.#check(at, at + 4)
    const { from, numbers } = this.#window
    return numbers.getUint32(this.#start - from + at, true)
  }
  setU32(at: number, value: number): void {
    const { from, numbers } = this.#window
    if (!this.#lock.isLocked) numbers.setUint32(this.#start - from + at, value, true)
  }
  i32(at: number): number {
    this.#check(at, at + 4)
    const { from, numbers } = this.#window
    return numbers.getInt32(this.#start - from + at, true)
  }
  setI32(at: number, value: number): void {
    const { from, numbers } = this.#window
    if (!this.#lock.isLocked) numbers.setInt32(this.#start - from + at, value, true)
  }
  u64(at: number): bigint {
    this.#check(at, at + 8)
    const { from, numbers } = this.#window
    return numbers.getBigUint64(this.#start - from + at, true)
  }
  setU64(at: number, value: bigint): void {
    const { from, numbers } = this.#window
    if (!this.#lock.isLocked) numbers.setBigUint64(this.#start - from + at, value, true)
  }
  /** Sets bit `n` of the bit set at the front. */
  setBit(n: number): void {
    const { bytes, from } = this.#window
    if (!this.#lock.isLocked) bytes[this.#start - from + (n >> 3)]! |= 1 << (n & 7)
  }
  /** The numbers of the bits that are set in the first `size` bytes. */
  bits(size: number): ReadonlyArray<number> {
    this.#check(0, size)
    const { bytes, from } = this.#window
    const start = this.#start - from
    const found: Array<number> = []
    for (let n = 0; n < size * 8; n++) {
      if ((bytes[start + (n >> 3)]! & 1 << (n & 7)) !== 0) found.push(n)
    }
    return found
  }
  setBytes(at: number, bytes: Uint8Array): void {
    const { bytes: all, from } = this.#window
    if (!this.#lock.isLocked) all.set(bytes, this.#start - from + at)
  }
  /** A copy that outlives the call. */
  copy(from: number, to: number): Uint8Array {
    this.#check(from, to)
    const start = this.#start - this.#window.from
    return new Uint8Array(this.#window.bytes.subarray(start + from, start + to))
  }
  /** A text of known length. */
  text(from: number, to: number): string {
    this.#check(from, to)
    const start = this.#start - this.#window.from
    return Text.read(this.#window.bytes, start + from, start + to)
  }
  /** A text that ends at a NUL, or at `to`. */
  textUntilNul(from: number, to: number): string {
    this.#check(from, to)
    const start = this.#start - this.#window.from
    const nul = this.#window.bytes.indexOf(0, start + from) - start
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
    const { bytes, from } = this.#window
    const start = this.#start - from + at
    const length = Text.write(bytes, start, text)
    bytes[start + length] = 0
    return length
  }
}
