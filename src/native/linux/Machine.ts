/**
 * What the handlers of the calls stand on: system calls that throw what they fail with, and memory for their arguments.
 */
import * as process from "node:process"
import type { Arguments, CallName, Result } from "../Kernel.ts"
import type { Library, Word } from "../koffi.ts"
import { type Numbers, numbersFor } from "../syscalls.ts"
import { invalid, Refused, refused } from "./Refused.ts"
import { Scratch } from "./Scratch.ts"

/** One function for each call of the table: what makes a forgotten one an error of the compiler. */
export type Handlers = {
  readonly [N in CallName]: (args: Arguments<N>) => Result<{ readonly _tag: N }>
}

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

/** Makes the machine of a loaded C library. */
export const make = (library: Library): Machine => {
  const { errno, syscall } = library

  const attempt: Syscall = (number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0) => {
    if (!(isWord(a) && isWord(b) && isWord(c) && isWord(d) && isWord(e) && isWord(f))) {
      throw invalid("an argument is not an integer")
    }
    return Number(syscall(number, a, b, c, d, e, f))
  }

  const call: Syscall = (number, a, b, c, d, e, f) => {
    const result = attempt(number, a, b, c, d, e, f)
    if (result === -1) throw refused(errno())
    return result
  }

  const retry: Syscall = (number, a, b, c, d, e, f) => {
    for (;;) {
      const result = attempt(number, a, b, c, d, e, f)
      if (result !== -1) return result
      const failure = refused(errno())
      if (failure.code !== "EINTR") throw failure
    }
  }

  return { numbers: numbersFor(process.arch), memory: new Scratch(library), call, retry }
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
