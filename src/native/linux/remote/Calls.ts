/**
 * The calls that a server makes for a handler, which may take longer than this thread can stand still.
 *
 * A handler is a plain function. Where its call is not answered in time, it is left by way of {@link pending}; where it is
 * known to wait, at once. Once the answer is there, the handler runs again, from its start, with the memory of its
 * arguments as it is, and with what the kernel wrote there. Of a handler that makes several calls, only the first one can
 * be left so, since those that follow may use its memory again; none of them is one that waits.
 *
 * To close a handle always succeeds, and nobody waits for it: it is done with the next call, before that.
 */
import * as process from "node:process"
import { O } from "../../constants.ts"
import type { Call } from "../../Kernel.ts"
import type { Word } from "../../koffi.ts"
import { type Numbers, numbersFor } from "../../syscalls.ts"
import type { Raw } from "../Machine.ts"
import type { Scratch } from "../Scratch.ts"
import { type Apart, setSize } from "./Apart.ts"
import { type MachineCode, status } from "./machineCode.ts"
import type { Seat } from "./Seat.ts"

/** Thrown where the process that should make a call has ended, or has become a program. */
export const gone = Symbol("gone")

/** Thrown where a call goes on. */
export const pending = Symbol("pending")

/** What is wrong with an effect that makes two calls at once in a child. */
export const secondCall = (): Error =>
  new Error("a child has one thread: while one of its calls waits, it can't make another")

/** Calls that may wait for what somebody else does, beside those of which the caller knows. */
const thatMayWait: ReadonlyArray<keyof Numbers> = ["connect", "openat", "openat2", "sendmsg", "write"]

/** Microseconds until a call is left to itself: for one that may wait for others, and for any other. */
const patience = { waiting: 20, waitingOnOneCore: 300, working: 5000 } as const

/** Waits of {@link patience} until a call that can't be left is given up: ten seconds. */
const attempts = 2000
/** The errno of a call that a signal interrupted, as the kernel gives it: it is made again. */
const interrupted = -4

/** The calls of one seat. */
export class Calls {
  readonly #code: MachineCode
  readonly #seat: Seat
  readonly #memory: Scratch
  readonly #apart: Apart
  readonly #numbers: Numbers
  readonly #thatMayWait: ReadonlySet<number>
  readonly #waiting: number
  /** What the calls of the handler gave. */
  #answers: Array<number> = []
  /** How many of them the handler has been given. */
  #given = 0
  /** Whether an answer is still to be taken. */
  #isPending = false
  /** Whether the handler has been left. */
  #isLeft = false
  /** Whether the caller knows that the handler's call waits. */
  #isToWait = false
  #isFiltered = false
  /** Descriptors of which close(2) has nothing to tell: handles, and those of mounts. */
  readonly #handles = new Set<number>()

  constructor(code: MachineCode, seat: Seat, memory: Scratch, apart: Apart, cores: number) {
    this.#code = code
    this.#seat = seat
    this.#memory = memory
    this.#apart = apart
    const numbers = this.#numbers = numbersFor(process.arch)
    this.#thatMayWait = new Set(thatMayWait.map((name) => numbers[name]))
    this.#waiting = cores > 1 ? patience.waiting : patience.waitingOnOneCore
  }

  /** Whether a filter may refuse, or worse, what the effect has not asked for. */
  get isFiltered(): boolean {
    return this.#isFiltered
  }

  /** From the next call on a filter may be in force. */
  #restrain(): void {
    this.#isFiltered = true
    this.#seat.restrain()
  }

  /** Another server has come. */
  forget(): void {
    this.#handles.clear()
    this.#isPending = false
    this.#isFiltered = false
    this.#apart.forget()
  }

  /** A handler has ended, with a result. */
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
   * @param isToWait its call waits: it is left at once
   */
  begin(isToWait = false): void {
    if (this.#isPending && this.#seat.isAsked) {
      throw secondCall()
    }
    if (this.#apart.isDue && !this.#isFiltered) this.#move()
    this.#memory.reset()
    this.#answers = []
    this.#given = 0
    this.#isPending = false
    this.#isLeft = false
    this.#isToWait = isToWait
    this.#memory.isKept = false
  }

  /** A handler that was left starts again. */
  resume(): void {
    this.#memory.reset()
    this.#memory.isKept = this.#isPending
    this.#given = 0
    this.#isLeft = false
  }

  /** Makes a call for a handler. */
  readonly make: Raw = (number, a, b, c, d, e, f) => {
    // it may want to clean up on its way out: it will, when it has run again
    if (this.#isLeft) throw pending
    const given = this.#answers[this.#given]
    if (given !== undefined) {
      this.#given++
      return given
    }
    if (this.#isPending) {
      if (this.#seat.isAsked) return this.#leave()
      this.#isPending = false
      this.#memory.isKept = false
      return this.#answered(this.#answer())
    }
    this.#seat.patience = patience.working
    if (number === this.#numbers.close && this.#handles.delete(Number(a)) && this.#seat.close(Number(a))) {
      return this.#answered(0)
    }
    if (this.#isToWait && this.#canBeLeft()) {
      this.#ask(number, a, b, c, d, e, f)
      return this.#leave()
    }
    if (number === this.#numbers.seccomp) this.#restrain()
    if (this.#thatMayWait.has(number)) this.#seat.patience = this.#waiting
    this.#ask(number, a, b, c, d, e, f)
    return this.#answered(this.#answer())
  }

  /** Makes a call outside of a handler, and waits for its answer. */
  once(number: number, argument: number): number {
    this.begin()
    this.#seat.patience = patience.working
    this.#ask(number, argument, 0, 0, 0, 0, 0)
    const result = this.#answer()
    return this.#answered(result === status.unanswered ? this.#wait() : result)
  }

  #move(): void {
    this.#memory.reset()
    this.#memory.isKept = false
    this.#seat.patience = patience.working
    this.#apart.move(this.#memory.block(setSize), (number, pid, size, address) => {
      this.#ask(number, pid, size, address, 0, 0, 0)
      const answer = this.#answer()
      const result = answer === status.unanswered ? this.#wait() : answer
      if (result === status.gone) throw gone
      return result
    })
  }

  #ask(number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word): void {
    if (!this.#seat.ask(number, a, b, c, d, e, f)) throw gone
    if (this.#seat.sleeps) this.#code.wake(this.#seat.address)
  }

  /** The answer, or a {@link status}. */
  #answer(): number {
    const answer = this.#seat.look()
      ? this.#seat.result
      : Number(this.#code.answer(this.#seat.address, this.#seat.ownAddress))
    this.#apart.count(this.#seat.isTogether)
    return answer
  }

  #answered(answer: number): number {
    if (answer === status.gone) throw gone
    if (answer === status.unanswered) {
      if (this.#canBeLeft()) return this.#leave()
      return this.#answered(this.#wait())
    }
    this.#answers.push(answer)
    this.#given++
    return answer
  }

  #canBeLeft(): boolean {
    return this.#answers.every((given) => given === interrupted)
  }

  #wait(): number {
    this.#seat.patience = patience.working
    for (let waits = 0; waits < attempts; waits++) {
      const result = this.#answer()
      if (result !== status.unanswered) return result
    }
    // it is stopped, or frozen; its seat is free once it ends
    return status.gone
  }

  #leave(): never {
    this.#isPending = true
    this.#isLeft = true
    throw pending
  }
}
