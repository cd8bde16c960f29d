/**
 * How handlers have a server make their calls.
 *
 * A handler is a plain function. If its call is not answered within a moment, {@link pending} is thrown, which ends the
 * handler. When the answer has come, the handler runs again from its start. It gets the answers that it got before, and the
 * memory of its arguments is as the kernel has left it. So a handler that makes several calls uses separate memory for what
 * each of them writes.
 *
 * Closing a handle can't fail, so it does not wait: the close is queued, and made just before the next call.
 */
import * as process from "node:process"
import { O } from "../../constants.ts"
import type { Call } from "../../Kernel.ts"
import type { Library, Word } from "../koffi.ts"
import type { Scratch } from "../Scratch.ts"
import { type Numbers, numbersFor } from "../syscallNumbers.ts"
import type { Raw } from "../Syscalls.ts"
import { number as numbers } from "./layout.ts"
import type { Mailbox } from "./Mailbox.ts"

/** Thrown if the process that should make a call has ended, or has become a program. */
export const gone = Symbol("gone")

/** Thrown if a call has not been answered yet. */
export const pending = Symbol("pending")

/** The error if an effect makes two calls at once in one child. */
export const secondCall = (): Error =>
  new Error("a child has one thread: while one of its calls waits, it can't make another")

/** `FUTEX_WAKE` of futex(2). */
const FUTEX_WAKE = 1

/** The errno, EIO, for what no kernel answers. */
const noAnswer = -5

let turns = 0

/** How many requests this thread has sent to other processes. */
export const turnsOf = (): number => turns

/** The calls of one mailbox. */
export class Client {
  readonly #library: Library
  readonly #mailbox: Mailbox
  readonly #memory: Scratch
  readonly #numbers: Numbers
  /** The answers to the handler's calls. */
  #answers: Array<number> = []
  /** How many answers the handler has been given in this run. */
  #given = 0
  /** Whether an answer has not been taken yet. */
  #isPending = false
  /** Whether the handler was ended by `pending`. */
  #isLeft = false
  /** Whether the handler's call is known to wait, so that looking for its answer is useless. */
  #isToWait = false
  /** Whether a list was sent whose answer has not been taken. */
  #isSent = false
  #isFiltered = false
  /** Makes the handler's calls instead of the server. */
  #other: Raw | undefined
  /** Descriptors whose close(2) can't fail: handles, and those of mounts. */
  readonly #handles = new Set<number>()

  constructor(library: Library, mailbox: Mailbox, memory: Scratch) {
    this.#library = library
    this.#mailbox = mailbox
    this.#memory = memory
    this.#numbers = numbersFor(process.arch)
  }

  /** Whether a filter may refuse, or kill the process for, calls that the effect has not asked for. */
  get isFiltered(): boolean {
    return this.#isFiltered
  }

  /** From now on a filter may be in force. */
  #restrain(): void {
    this.#isFiltered = true
    this.#mailbox.restrain()
  }

  /** The mailbox has a new server. */
  forget(): void {
    // a set that is cleared gets a new table, even if it was empty
    if (this.#handles.size > 0) this.#handles.clear()
    this.#isPending = false
    this.#isSent = false
    this.#isFiltered = false
  }

  /** A handler has returned a result. */
  made(call: Call, result: unknown): void {
    switch (call._tag) {
      case "openat":
      case "openat2":
        if ((call.flags & O.PATH) !== 0) this.#handles.add(result as number)
        break
      case "open_tree":
      case "fsopen":
      case "fsmount":
        this.#handles.add(result as number)
        break
      case "dup3":
        this.#handles.delete(call.newfd)
        break
      case "close_range":
        this.#handles.clear()
        break
    }
  }

  /**
   * A handler starts.
   *
   * @param isToWait its call is known to wait
   */
  begin(isToWait = false): void {
    if (this.#isPending && (this.#isSent || this.#mailbox.isAsked)) throw secondCall()
    this.#memory.reset()
    this.#answers = []
    this.#given = 0
    this.#isPending = false
    this.#isLeft = false
    this.#isToWait = isToWait
    this.#memory.isKept = false
  }

  /** Whether the server still has to answer a handler that was given up. */
  get isBusy(): boolean {
    return this.#isPending && this.#mailbox.isAsked
  }

  /** Whether this run of a handler has answers of an earlier run that it has not been given yet. */
  get isReplaying(): boolean {
    return this.#given < this.#answers.length
  }

  /** Starts a handler again that was left. */
  resume(): void {
    this.#memory.reset()
    this.#memory.isKept = this.#isPending
    this.#given = 0
    this.#isLeft = false
  }

  /** Runs a handler whose calls `raw` makes. */
  by<A, B>(raw: Raw, use: (input: A) => B, input: A): B {
    this.#other = raw
    try {
      return use(input)
    } finally {
      this.#other = undefined
    }
  }

  /** Has the server make a list of calls: see Batch.ts. They may close descriptors, so the known handles are forgotten. */
  makeList(address: number, length: number): number {
    // V8 makes a new table for a set that is cleared, also for an empty one
    if (this.#handles.size > 0) this.#handles.clear()
    return this.make(numbers.list, address, length, 0, 0, 0, 0)
  }

  /**
   * Sends a list, and does not wait for its answer: {@link makeList} takes that, after {@link resume}. The handler's memory may
   * be written meanwhile, behind what the list needs.
   */
  sendList(address: number, length: number): void {
    this.begin(true)
    try {
      this.makeList(address, length)
    } catch (cause) {
      // a server that has gone is found when the answer is taken
      if (cause !== pending && cause !== gone) throw cause
    }
    this.#isSent = this.#isPending
  }

  /** Makes a call for a handler. */
  readonly make: Raw = (number, a, b, c, d, e, f) => {
    if (this.#other !== undefined) return this.#other(number, a, b, c, d, e, f)
    // `finally` blocks of the handler may make calls: they will, when it has run again
    if (this.#isLeft) throw pending
    const given = this.#answers[this.#given]
    if (given !== undefined) {
      this.#given++
      return given
    }
    if (this.#isPending) {
      if (this.#mailbox.isAsked) return this.#leave()
      this.#isPending = false
      this.#isSent = false
      this.#memory.isKept = false
      return this.#answered(this.#answer())
    }
    if (number === this.#numbers.close && this.#handles.delete(Number(a)) && this.#mailbox.close(Number(a))) {
      return this.#answered(0)
    }
    if (number === this.#numbers.seccomp) this.#restrain()
    this.#ask(number, a, b, c, d, e, f)
    if (this.#isToWait || !this.#mailbox.look()) return this.#leave()
    return this.#answered(this.#answer())
  }

  /** Requests a call without waiting for it. Does nothing if the server is busy or has gone. */
  post(number: number, argument: number): void {
    if (this.#mailbox.ask(number, argument, 0, 0, 0, 0, 0)) this.#wake()
  }

  #ask(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): void {
    turns++
    if (!this.#mailbox.ask(number, a, b, c, d, e, f)) throw gone
    this.#wake()
  }

  #wake(): void {
    if (this.#mailbox.sleeps) this.#library.syscall(this.#numbers.futex, this.#mailbox.address, FUTEX_WAKE, 1, 0, 0, 0)
  }

  #answer(): number {
    if (this.#mailbox.isFree) throw gone
    const answer = this.#mailbox.result
    return Number.isSafeInteger(answer) ? answer : noAnswer
  }

  #answered(answer: number): number {
    this.#answers.push(answer)
    this.#given++
    return answer
  }

  #leave(): never {
    this.#isPending = true
    this.#isLeft = true
    throw pending
  }
}
