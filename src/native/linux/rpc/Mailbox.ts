/**
 * The client's side of a mailbox: the memory through which this process asks a server for system calls. layout.ts has the
 * offsets of its fields; `server.c` is the server's side.
 */
import { monotonic } from "../../monotonic.ts"
import type { Word } from "../koffi.ts"
import { mailbox as at, state } from "./layout.ts"
import { putWord, wordAt } from "./words.ts"

/** Bits of the word of state, as 32-bit integers. */
const [asked, died] = [state.asked | 0, state.died]

/** How many descriptors can wait to be closed. */
const closes = 63

/** The size of a mailbox in bytes. */
const mailboxSize = at.closeFds + closes * 4

/** How often a sleeping server checks whether its client still lives, in nanoseconds. */
const heartbeat = 100_000_000

/** How long JavaScript looks for an answer before it does something else, in milliseconds. */
const moment = { most: 0.05, least: 0.002 } as const
/** How often it looks before it reads the clock again. */
const looksPerTick = 16

const stateAt = at.state / 4
const sleepsAt = at.serverSleeps / 4
const resultAt = at.result / 4
const ringsAt = at.rings / 4

/** One mailbox. Servers use it one after the other. */
export class Mailbox {
  readonly address: number
  readonly #words: Int32Array
  readonly #view: DataView
  readonly #isAlone: boolean
  #moment: number = moment.most
  #isRestrained = false

  /**
   * @param memory of {@link mailboxSize} bytes, all zero
   * @param cores the number of processors; with one, polling only keeps the other side from running
   */
  constructor(memory: Buffer, address: number, cores: number) {
    this.address = address
    this.#words = new Int32Array(memory.buffer, memory.byteOffset, mailboxSize / 4)
    this.#view = new DataView(memory.buffer, memory.byteOffset, mailboxSize)
    this.#isAlone = cores === 1
    this.initialise()
  }

  /** Initialises memory that is new, or was given back. There is no server. */
  initialise(): void {
    this.link = undefined
    this.#set(at.looks, this.#isAlone ? 0 : 1)
    this.#setLong(at.serverTimeout + 8, heartbeat)
    // a list of one entry: its head, with the offset from the entry to the word of state, and the entry, which leads back
    this.#setLong(at.robust, this.address + at.robustEntry)
    this.#setLong(at.robust + 8, at.state - at.robustEntry)
    this.#setLong(at.robustEntry, this.address + at.robust)
    this.markFree()
  }

  /** Whether no server serves it: the server has ended or has become a program. */
  get isFree(): boolean {
    return (this.#state & died) !== 0
  }
  /** Whether the server has not answered yet. */
  get isAsked(): boolean {
    const state = this.#state
    return state < 0 && (state & died) === 0
  }

  /**
   * Asks the server for a call.
   *
   * @returns whether there is a server
   */
  ask(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): boolean {
    this.#put(at.number, number)
    this.#put(at.arguments, a)
    this.#put(at.arguments + 8, b)
    this.#put(at.arguments + 16, c)
    this.#put(at.arguments + 24, d)
    this.#put(at.arguments + 32, e)
    this.#put(at.arguments + 40, f)
    const state = this.#state
    if ((state & (asked | died)) !== 0) return false
    this.#words[ringsAt] = 0
    return Atomics.compareExchange(this.#words, stateAt, state, state | asked) === state
  }

  /**
   * Has the server close a descriptor before its next call.
   *
   * @returns whether there is room
   */
  close(fd: number): boolean {
    const count = this.#words[at.closes / 4]!
    if (!(count >= 0 && count < closes)) return false
    this.#words[at.closeFds / 4 + count] = fd
    this.#words[at.closes / 4] = count + 1
    return true
  }

  /** Whether the server must be woken to see the request. */
  get sleeps(): boolean {
    return Atomics.load(this.#words, sleepsAt) !== 0
  }

  /**
   * Polls for an answer for a moment; returns whether it has come. A failed poll makes the next one shorter, a successful
   * one longer.
   */
  look(): boolean {
    if (!this.isAsked) return true
    if (this.#isAlone) return false
    const words = this.#words
    const end = monotonic() + this.#moment
    do {
      for (let left = looksPerTick; left > 0; left--) {
        const state = Atomics.load(words, stateAt)
        if (state >= 0 || (state & died) !== 0) {
          this.#moment = Math.min(this.#moment * 2, moment.most)
          return true
        }
      }
    } while (monotonic() < end)
    this.#moment = Math.max(this.#moment / 2, moment.least)
    return false
  }

  /**
   * Has the server ring when it has answered. It may not ring for an answer that has come already.
   *
   * @returns whether it can ring: under a seccomp filter it must not, because the filter might kill it
   */
  ring(): boolean {
    if (this.#isRestrained) return false
    Atomics.store(this.#words, ringsAt, 1)
    return true
  }

  /** The server's last answer. */
  get result(): number {
    return wordAt(this.#words, resultAt)
  }

  /** The server's descriptor of the link, by which it rings. It hangs up when the client has gone. */
  set link(fd: number | undefined) {
    // poll(2) ignores a negative descriptor
    this.#set(at.link, fd ?? -1)
  }

  /** The mailbox for the child of the server's next clone(2). */
  set next(mailbox: Mailbox) {
    this.#setLong(at.next, mailbox.address)
  }

  /** From now on the server is not asked to ring, because a filter may refuse that or kill the server. */
  restrain(): void {
    this.#isRestrained = true
  }

  /** Prepares the mailbox for a new server. The server's first answer reports that it has started. */
  prepare(): void {
    this.#isRestrained = false
    this.#set(at.closes, 0)
    this.#set(at.serverSleeps, 0)
    this.#set(at.rings, 1)
    Atomics.store(this.#words, stateAt, asked)
  }

  /** Marks that there is no server, if the server itself can't mark it. */
  markFree(): void {
    Atomics.store(this.#words, stateAt, died)
  }

  get #state(): number {
    return Atomics.load(this.#words, stateAt)
  }
  #put(offset: number, value: Word): void {
    putWord(this.#words, this.#view, offset, value)
  }
  #set(offset: number, value: number): void {
    this.#words[offset / 4] = value
  }
  #setLong(offset: number, value: number): void {
    this.#view.setBigInt64(offset, BigInt(value), true)
  }
}
