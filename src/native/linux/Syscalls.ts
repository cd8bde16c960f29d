/**
 * What handlers work with: system calls that throw their failures, and memory for arguments.
 */
import * as process from "node:process"
import type { Arguments, CallName, Made } from "../Kernel.ts"
import { invalid, Refused, refused } from "../Refused.ts"
import type { Library, Word } from "./koffi.ts"
import { Scratch } from "./Scratch.ts"
import { type Numbers, numbersFor } from "./syscallNumbers.ts"

/** The calls that make a process. They have no handler: the live layer as a whole makes them. */
export type Cloning = "clone" | "reclone"

/** A handler for each other call of the table, so that the compiler reports a missing one. */
export type Handlers = {
  readonly [N in Exclude<CallName, Cloning>]: (args: Arguments<N>) => Made<N>
}

/** A system call that returns the kernel's answer: a result, or a negative errno. */
export type Raw = (number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word) => number

/** A system call that throws {@link Refused}. */
export type Syscall = (number: number, a?: Word, b?: Word, c?: Word, d?: Word, e?: Word, f?: Word) => number

/** What handlers are passed. */
export interface Syscalls {
  readonly numbers: Numbers
  readonly memory: Scratch
  /** Makes the call once. */
  readonly call: Syscall
  /** Repeats the call as long as a signal interrupts it. */
  readonly retry: Syscall
}

// koffi truncates fractions and converts NaN to a number: a wrong value must not become another descriptor
const isWord = (value: Word): boolean => typeof value === "bigint" || Number.isSafeInteger(value)

/** The largest errno. A result below its negative is not a failure. */
const largestErrno = 4095

/** Makes calls on this thread. */
const ownCalls = ({ errno, syscall }: Library): Raw => (number, a, b, c, d, e, f) => {
  const result = Number(syscall(number, a, b, c, d, e, f))
  return result === -1 ? -errno() : result
}

/**
 * How often an interrupted call of another process is repeated. A process that always reports an interruption must not hold
 * this one.
 */
const interruptions = 100

/**
 * Makes the system calls from a loaded C library.
 *
 * @param other makes the calls in another process, which is not trusted, with the memory that they share; without it, this
 * thread makes them
 */
export const make = (library: Library, other?: { readonly raw: Raw; readonly memory: Scratch }): Syscalls => {
  const { memory, raw } = other ?? { raw: ownCalls(library), memory: new Scratch(library) }
  const turns = other === undefined ? Infinity : interruptions

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
    for (let left = turns;; left--) {
      const result = attempt(number, a, b, c, d, e, f)
      if (result >= 0 || result < -largestErrno) return result
      const failure = refused(-result)
      if (failure.code !== "EINTR" || left <= 1) throw failure
    }
  }

  return { numbers: numbersFor(process.arch), memory, call, retry }
}

/** Runs an attempt. If it fails, adds the detail that `more` finds, if any. */
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
