/**
 * The memory by which a process has another one make system calls: where the fields are that `server.*.S` speaks of, and
 * the client's side of it. To go to machine code and back takes longer than most calls, so that is left to who must sleep.
 */
import type { Word } from "../../koffi.ts"

/** Bits of the word of state: see server.x64.S. */
const died = 0x4000_0000
const asked = -0x8000_0000

/** The word of state has a line of the processor's cache for itself: who looks at it does not get in the way of the arguments. */
const at = {
  state: 0,
  serverSleeps: 4,
  number: 64,
  arguments: 72,
  result: 128,
  clientSleeps: 136,
  next: 144,
  lifeline: 152,
  serverTimeout: 176,
  serverSpins: 196,
  robust: 200,
  robustEntry: 224,
  yields: 232,
  spins: 236,
  closes: 256,
  closeFds: 260
} as const

/**
 * What this side keeps to itself: how long it looks, gives way and sleeps is not for the other one to say, which may be in
 * the wrong hands.
 */
const own = { spins: 0, yields: 4, full: 8, timeout: 16 } as const
/** Bytes that it takes. */
export const ownSize = 32

/** Descriptors that can wait to be closed. */
const closes = 63

/** Bytes that a seat takes. */
export const seatSize = at.closeFds + closes * 4

/** How often a sleeping server looks whether its client still lives, in nanoseconds. */
const heartbeat = 100_000_000
/** Seconds of a day. */
const day = 86_400

/** Times that a side looks for a change: for as long as most calls take, and most of what JavaScript does between two. */
const spins = { one: 1, several: 150 } as const
/**
 * Times that it lets others run then, and looks again, before it sleeps. The scheduler may have put both sides on one
 * processor, and leave them there: then the other side can't run before this one gives way.
 */
const yields = { usual: 500, forOneThatStarts: 4000 } as const
/** Times that JavaScript looks before it leaves that to machine code, which is kinder to the other hyperthread. */
const looks = { one: 1, several: 1000 } as const

const stateAt = at.state / 4
const sleepsAt = at.serverSleeps / 4
const resultAt = at.result / 4
const spinsAt = own.spins / 4

const two32 = 0x1_0000_0000

/** `POLLIN` */
const readable = 1

/** One seat. It is used again, by one server after the other. */
export class Seat {
  readonly address: number
  readonly #words: Int32Array
  readonly #view: DataView
  readonly #own: Int32Array
  /** Where this side has what it keeps to itself. */
  readonly ownAddress: number
  readonly #cores: number
  readonly #looks: number
  readonly #lifeline: number | undefined

  /**
   * @param memory of {@link seatSize} bytes, all zero
   * @param mine of {@link ownSize} bytes, in this process only
   * @param cores with one, to look again and again only keeps the other side from running
   * @param lifeline a descriptor, the server's, that can be read once nobody is left to ask; none for a thread
   */
  constructor(
    memory: Buffer,
    address: number,
    mine: { readonly memory: Buffer; readonly address: number },
    cores: number,
    lifeline?: number
  ) {
    this.address = address
    this.#own = new Int32Array(mine.memory.buffer, mine.memory.byteOffset, ownSize / 4)
    this.ownAddress = mine.address
    this.#words = new Int32Array(memory.buffer, memory.byteOffset, seatSize / 4)
    this.#view = new DataView(memory.buffer, memory.byteOffset, seatSize)
    this.#cores = cores
    this.#looks = cores > 1 ? looks.several : looks.one
    this.#lifeline = lifeline
    this.settle()
  }

  /** Fills memory that is new, or was given back. There is no server. */
  settle(): void {
    const turns = this.#cores > 1 ? spins.several : spins.one
    this.#set(at.spins, turns)
    this.#own[own.full / 4] = turns
    this.#set(at.lifeline, this.#lifeline ?? -1)
    this.#set(at.lifeline + 4, readable)
    if (this.#lifeline === undefined) this.#setLong(at.serverTimeout, day)
    else this.#setLong(at.serverTimeout + 8, heartbeat)
    // a list of one: its head, with the way from the entry to the word of state, and the entry, which leads back
    this.#setLong(at.robust, this.address + at.robustEntry)
    this.#setLong(at.robust + 8, at.state - at.robustEntry)
    this.#setLong(at.robustEntry, this.address + at.robust)
    this.leave()
  }

  /** Whether nobody serves it: the server has ended, or has become a program. */
  get isFree(): boolean {
    return (this.#state & died) !== 0
  }
  /** Whether an answer is still to come. */
  get isAsked(): boolean {
    const state = this.#state
    return state < 0 && (state & died) === 0
  }

  /**
   * Asks the server for a call.
   *
   * @returns whether there is one
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
    return Atomics.compareExchange(this.#words, stateAt, state, state | asked) === state
  }

  /**
   * Has the server close a descriptor before its next call.
   *
   * @returns whether there is room
   */
  close(fd: number): boolean {
    const count = this.#words[at.closes / 4]!
    if (count === closes) return false
    this.#words[at.closeFds / 4 + count] = fd
    this.#words[at.closes / 4] = count + 1
    return true
  }

  /** Whether the server must be woken to hear of what it is asked. */
  get sleeps(): boolean {
    return Atomics.load(this.#words, sleepsAt) !== 0
  }

  /** Whether the server ran as soon as this side gave way: it is on the same processor. */
  get isTogether(): boolean {
    return this.#looks > 1 && this.#own[spinsAt] === 1
  }

  /** Looks for an answer, for a moment; whether it is there. */
  look(): boolean {
    const words = this.#words
    for (let left = this.#own[spinsAt] === 1 ? 1 : this.#looks; left > 0; left--) {
      const state = Atomics.load(words, stateAt)
      if ((state & died) !== 0) return false
      if (state >= 0) return true
    }
    return false
  }

  /** What the server answered last. */
  get result(): number {
    return this.#words[resultAt + 1]! * two32 + (this.#words[resultAt]! >>> 0)
  }

  /** How long one wait for an answer lasts, in microseconds, less than a second. */
  set patience(microseconds: number) {
    this.#own[own.timeout / 4 + 2] = microseconds * 1000
  }

  /** Where the child goes that the server's next clone(2) makes. */
  set next(seat: Seat) {
    this.#setLong(at.next, seat.address)
  }

  /** The server makes no call that it could not do without: a filter may refuse it. */
  restrain(): void {
    this.#set(at.yields, 0)
  }

  /**
   * Makes the seat ready for a new server, whose first answer says that it is there. Until {@link lookAsUsual} this side looks
   * for that as long as it takes to execute a program, before it sleeps.
   */
  prepare(): void {
    this.#own[own.yields / 4] = yields.forOneThatStarts
    this.#set(at.yields, yields.usual)
    this.#set(at.closes, 0)
    this.#own[spinsAt] = this.#words[at.serverSpins / 4] = this.#own[own.full / 4]!
    this.#set(at.serverSleeps, 0)
    this.#set(at.clientSleeps, 0)
    Atomics.store(this.#words, at.state / 4, asked)
  }

  /** Calls are shorter. */
  lookAsUsual(): void {
    this.#own[own.yields / 4] = yields.usual
  }

  /** There is no server, or none any more that can tell. */
  leave(): void {
    Atomics.store(this.#words, at.state / 4, died)
  }

  get #state(): number {
    return Atomics.load(this.#words, at.state / 4)
  }
  #put(offset: number, value: Word): void {
    if (typeof value === "bigint") return this.#view.setBigUint64(offset, BigInt.asUintN(64, value), true)
    const word = offset / 4
    this.#words[word] = value
    this.#words[word + 1] = Math.floor(value / two32)
  }
  #set(offset: number, value: number): void {
    this.#words[offset / 4] = value
  }
  #setLong(offset: number, value: number): void {
    this.#view.setBigInt64(offset, BigInt(value), true)
  }
}
