/**
 * The memory by which a process has another one make system calls: where the fields are that `server.*.S` speaks of.
 */

/** Bits of the word of state: see server.x64.S. */
const died = 0x4000_0000
const asked = -0x8000_0000

/** The word of state has a line of the processor's cache for itself: who looks at it does not get in the way of the arguments. */
const at = {
  state: 0,
  serverSleeps: 4,
  clientSleeps: 136,
  clientSpins: 140,
  next: 144,
  lifeline: 152,
  clientTimeout: 160,
  serverTimeout: 176,
  serverSpins: 196,
  robust: 200,
  robustEntry: 224
} as const

/** Bytes that a seat takes. */
export const seatSize = 256

/** How often a sleeping server looks whether its client still lives, in nanoseconds. */
const heartbeat = 100_000_000
/** Seconds of a day. */
const day = 86_400

/**
 * Times that a side looks for a change before it sleeps: for as long as most calls take, and most of what JavaScript does
 * between two of them. To be woken takes longer than either.
 */
const spins = { one: 1, several: 4000 } as const

/** `POLLIN` */
const readable = 1

/** One seat. It is used again, by one server after the other. */
export class Seat {
  readonly address: number
  readonly #words: Int32Array
  readonly #view: DataView

  /**
   * @param memory of {@link seatSize} bytes, all zero
   * @param cores with one, to look again and again only keeps the other side from running
   * @param lifeline a descriptor, the server's, that can be read once nobody is left to ask; none for a thread
   */
  constructor(memory: Buffer, address: number, cores: number, lifeline?: number) {
    this.address = address
    this.#words = new Int32Array(memory.buffer, memory.byteOffset, seatSize / 4)
    this.#view = new DataView(memory.buffer, memory.byteOffset, seatSize)
    const turns = cores > 1 ? spins.several : spins.one
    this.#set(at.clientSpins, turns)
    this.#set(at.serverSpins, turns)
    this.#set(at.lifeline, lifeline ?? -1)
    this.#set(at.lifeline + 4, readable)
    if (lifeline === undefined) this.#setLong(at.serverTimeout, day)
    else this.#setLong(at.serverTimeout + 8, heartbeat)
    // a list of one: its head, with the way from the entry to the word of state, and the entry, which leads back
    this.#setLong(at.robust, address + at.robustEntry)
    this.#setLong(at.robust + 8, at.state - at.robustEntry)
    this.#setLong(at.robustEntry, address + at.robust)
    this.leave()
  }

  /** Whether nobody serves it: the server has ended, or has become a program. */
  get isFree(): boolean {
    return (this.#state & died) !== 0
  }
  /** Whether the server waits to be asked. */
  get isIdle(): boolean {
    const state = this.#state
    return state > 0 && (state & died) === 0
  }
  /** Whether an answer is still to come. */
  get isAsked(): boolean {
    const state = this.#state
    return state < 0 && (state & died) === 0
  }

  /** How long one wait for an answer lasts, in microseconds, less than a second. */
  set patience(microseconds: number) {
    this.#set(at.clientTimeout + 8, microseconds * 1000)
  }

  /** Where the child goes that the server's next clone(2) makes. */
  set next(seat: Seat) {
    this.#setLong(at.next, seat.address)
  }

  /** Makes the seat ready for a new server, whose first answer says that it is there. */
  prepare(): void {
    this.#set(at.serverSleeps, 0)
    this.#set(at.clientSleeps, 0)
    Atomics.store(this.#words, at.state / 4, asked)
  }

  /** There is no server, or none any more that can tell. */
  leave(): void {
    Atomics.store(this.#words, at.state / 4, died)
  }

  get #state(): number {
    return Atomics.load(this.#words, at.state / 4)
  }
  #set(offset: number, value: number): void {
    this.#words[offset / 4] = value
  }
  #setLong(offset: number, value: number): void {
    this.#view.setBigInt64(offset, BigInt(value), true)
  }
}
