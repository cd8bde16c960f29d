/**
 * What the handlers of the calls stand on: system calls that throw what they fail with, and memory for their arguments.
 */
import * as process from "node:process"
import type { Arguments, CallName, Result } from "../Kernel.ts"
import type { Library, Word } from "../koffi.ts"
import { type Numbers, numbersFor } from "../syscalls.ts"
import { invalid, Refused, refused } from "./Refused.ts"
import { Scratch } from "./Scratch.ts"

/** The calls that make a process, which only the live layer as a whole can. */
export type Cloning = "clone" | "reclone"

/** One function for each other call of the table: what makes a forgotten one an error of the compiler. */
export type Handlers = {
  readonly [N in Exclude<CallName, Cloning>]: (args: Arguments<N>) => Result<{ readonly _tag: N }>
}

/** A system call as the kernel answers it: a result, or an errno's negative. */
export type Raw = (number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word) => number

/** A system call that throws {@link Refused}. */
export type Syscall = (number: number, a?: Word, b?: Word, c?: Word, d?: Word, e?: Word, f?: Word) => number

/** What the handlers get. */
export interface Machine {
  readonly numbers: Numbers
  readonly memory: Scratch
  /** Makes the call once. */
  readonly call: Syscall
  /** Makes the call again as long as a signal interrupts it. */
  readonly retry: Syscall
}

// koffi cuts fractions off and turns NaN into a number: a wrong value must not become another descriptor
const isWord = (value: Word): boolean => typeof value === "bigint" || Number.isSafeInteger(value)

/** The largest errno: what is below its negative is no failure. */
const largestErrno = 4095

/** Calls that this thread makes itself. */
const ownCalls = ({ errno, syscall }: Library): Raw => (number, a, b, c, d, e, f) => {
  const result = Number(syscall(number, a, b, c, d, e, f))
  return result === -1 ? -errno() : result
}

/** Makes the machine of a loaded C library; the calls are made by this thread, or in the way, and with the memory, given. */
export const make = (library: Library, raw: Raw = ownCalls(library), memory = new Scratch(library)): Machine => {
  const attempt: Syscall = (number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) => {
    if (!(isWord(a) && isWord(b) && isWord(c) && isWord(d) && isWord(e) && isWord(f))) {
      throw invalid("an argument is not an integer")
    }
    return raw(number, a, b, c, d, e, f)
  }

  const call: Syscall = (number, a, b, c, d, e, f) => {
    const result = attempt(number, a, b, c, d, e, f)
    if (result < 0 && result >= -largestErrno) throw refused(-result)
    return result
  }

  const retry: Syscall = (number, a, b, c, d, e, f) => {
    for (;;) {
      const result = attempt(number, a, b, c, d, e, f)
      if (result >= 0 || result < -largestErrno) return result
      const failure = refused(-result)
      if (failure.code !== "EINTR") throw failure
    }
  }

  return { numbers: numbersFor(process.arch), memory, call, retry }
}

/** Runs an attempt; where it fails, adds what `more` finds out about it, if anything. */
export const explained = <A>(attempt: () => A, more: () => string | undefined): A => {
  try {
    return attempt()
  } catch (cause) {
    if (!(cause instanceof Refused)) throw cause
    throw new Refused(cause.code, more())
  }
}

/** Runs an attempt; a failure becomes `undefined`. */
export const attempted = <A>(attempt: () => A): A | undefined => {
  try {
    return attempt()
  } catch (cause) {
    if (cause instanceof Refused) return undefined
    throw cause
  }
}
