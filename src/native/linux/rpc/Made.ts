/**
 * What a part of a journey has asked for, and what became of it.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import type { Guess } from "../../Ahead.ts"
import { type Errno, numberOf } from "../../Errno.ts"
import type { Call, SyscallError } from "../../Kernel.ts"
import { type Answers, placeOf } from "./History.ts"
import type { Coming } from "./later.ts"
import type { OpenFiles } from "./OpenFiles.ts"

const nothing: ReadonlyArray<number> = []

/** A call of a part. */
export class Made {
  readonly call: Call
  readonly part: Part
  /** Which one of its part's calls it is. */
  readonly index: number
  /** Where its arguments are. */
  readonly memory: number
  readonly guess: Guess | undefined
  /** What it gave when this part asked for it the last time, for another container. */
  readonly before: number | undefined
  /** Whether what it came to is certain. */
  isSettled = false
  /** What it came to, or is taken to have come to; none while only the call itself can tell. */
  exit: Exit.Exit<unknown, SyscallError> | undefined = undefined
  /** Its entries in the list. */
  first: number
  count = 0
  /** What its entries gave that were made before, as far as somebody asks: see {@link asksFor}. */
  answers: ReadonlyArray<number> = nothing
  /** What it gives, if that is still to come and may be asked. */
  coming: Coming<never> | undefined = undefined
  /** Where the kernel writes it. */
  output = 0
  /** Whether it is checked in the list that it gives what it should. */
  isChecked = false
  /** Codes with which it may fail, and what is not made then: up to this entry. */
  codes: readonly [Errno, Errno] | undefined = undefined
  until: number | undefined = undefined

  constructor(call: Call, part: Part, memory: number, first: number, guess: Guess | undefined) {
    this.call = call
    this.part = part
    this.index = part.log.length
    this.memory = memory
    this.first = first
    this.guess = guess
    this.before = part.answers?.get(placeOf(call, this.index))
  }
}

/** A call that has been made by itself. */
export const settled = (call: Call, part: Part, exit: Exit.Exit<unknown, SyscallError>): Made => {
  const made = new Made(call, part, 0, 0, undefined)
  made.isSettled = true
  made.exit = exit
  return made
}

/** What one step asks for, in its order. */
export interface Part {
  readonly name: string
  log: Array<Made>
  next: number
  /** How often something else has come than was taken for granted. */
  unlucky: number
  /** What its calls and questions have come to for others, where that was not what is usual. */
  answers: Answers | undefined
  /** The process's descriptors before it. */
  readonly files: OpenFiles
}

/** Stands in the log for an effect that is run once. */
export const noCall = { _tag: "once" } as unknown as Call

/** The calls of a part, in their order. */
export const callsOf = (part: Part | undefined): ReadonlyArray<Made> =>
  part?.log.filter(({ call }) => call !== noCall) ?? []

/** What is made only if its first call does not fail with one of some codes. */
export interface Block {
  readonly codes: readonly [Errno, Errno]
  /** Its first call, and the process's descriptors before that. */
  made?: Made
  files?: OpenFiles
}

/** Whether two calls, or two of their arguments, are the same. */
export const isSameValue = (one: unknown, other: unknown): boolean => {
  if (one === other) return true
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length &&
    keys.every((key) => isSameValue((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key]))
}

/** Whether the results of a call are of use even if they are what they should be. */
export const asksFor = (made: Made): boolean =>
  made.exit === undefined || made.coming !== undefined || made.isChecked || made.codes !== undefined

/** Whether more is to be known of a call that gave what it should. */
export const isOpen = (made: Made): boolean =>
  made.coming !== undefined || made.exit === undefined || made.isChecked || hasSkipped(made)

/** Whether the kernel has refused a call. */
export const isFailure = ({ answers: [answer] }: Made): boolean => answer !== undefined && answer < 0

/** How many calls a look stays true, unless it is made again. */
const lately = 3

/** The errno's negative with which the same call failed a moment ago. */
export const refusedBefore = ({ log }: Part, call: Call): number | undefined => {
  for (let at = Math.max(log.length - 1 - lately, 0); at < log.length - 1; at++) {
    const { call: other, exit } = log[at]!
    if (exit === undefined || Exit.isSuccess(exit) || !isSameValue(other, call)) continue
    const error = exit.cause.reasons.find(Cause.isFailReason)?.error
    if (error !== undefined) return -numberOf(error.code)
  }
  return undefined
}

/** Whether a call failed in a way in which what depends on it is left out. */
export const hasSkipped = ({ answers, codes }: Made): boolean =>
  codes !== undefined && codes.some((code) => answers[0] === -numberOf(code))
