/**
 * The calls of a part of a journey, and their outcomes.
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
  /** Its number among the calls of its part. */
  readonly index: number
  /** Where its arguments are in memory. */
  readonly memory: number
  readonly guess: Guess | undefined
  /** Its result when this part made it for an earlier container, if that was unexpected. */
  readonly before: number | undefined
  /** Whether its outcome is certain. */
  isSettled = false
  /** Its outcome, certain or assumed; `undefined` while only the kernel can tell. */
  exit: Exit.Exit<unknown, SyscallError> | undefined = undefined
  /** The first of its entries in the list; `count` is how many it has. */
  first: number
  count = 0
  /** The results of its entries that were made, if they are needed: see {@link asksFor}. */
  answers: ReadonlyArray<number> = nothing
  /** Its result, if that has not come yet and may be asked questions. */
  coming: Coming<never> | undefined = undefined
  /** Where the kernel writes its result. */
  output = 0
  /** Whether a check in the list compares its result. */
  isChecked = false
  /** Errnos with which it may fail. Then the entries before `until` are skipped. */
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

/** A call that was made by itself. */
export const settled = (call: Call, part: Part, exit: Exit.Exit<unknown, SyscallError>): Made => {
  const made = new Made(call, part, 0, 0, undefined)
  made.isSettled = true
  made.exit = exit
  return made
}

/** The calls of one step, in order. */
export interface Part {
  readonly name: string
  log: Array<Made>
  next: number
  /** How many guesses were wrong. */
  unlucky: number
  /** How often a field was read that had not come yet. */
  early: number
  /** Unexpected results of its calls and questions for earlier containers. */
  answers: Answers | undefined
  /** The process's descriptors before the part. */
  readonly files: OpenFiles
}

/** A placeholder in the log for an effect that runs once. */
export const noCall = { _tag: "once" } as unknown as Call

/** The calls of a part, in their order. */
export const callsOf = (part: Part | undefined): ReadonlyArray<Made> =>
  part?.log.filter(({ call }) => call !== noCall) ?? []

/** Calls that are skipped if the first of them fails with one of two errnos. */
export interface Block {
  readonly codes: readonly [Errno, Errno]
  /** Its first call; `files` are the process's descriptors before it. */
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

/** Whether the results of a call are needed even if they are as expected. */
export const asksFor = (made: Made): boolean =>
  made.exit === undefined || made.coming !== undefined || made.isChecked || made.codes !== undefined

/** Whether a call whose result was as expected must still be looked at. */
export const isOpen = (made: Made): boolean =>
  made.coming !== undefined || made.exit === undefined || made.isChecked || hasSkipped(made)

/** Whether the kernel has refused a call. */
export const isFailure = ({ answers: [answer] }: Made): boolean => answer !== undefined && answer < 0

/** For how many calls an earlier failure is assumed to repeat. */
const lately = 3

/** The negative errno with which the same call failed a few calls before. */
export const refusedBefore = ({ log }: Part, call: Call): number | undefined => {
  for (let at = Math.max(log.length - 1 - lately, 0); at < log.length - 1; at++) {
    const { call: other, exit } = log[at]!
    if (exit === undefined || Exit.isSuccess(exit) || !isSameValue(other, call)) continue
    const error = exit.cause.reasons.find(Cause.isFailReason)?.error
    if (error !== undefined) return -numberOf(error.code)
  }
  return undefined
}

/** Whether a call failed with an errno for which the calls of its block are skipped. */
export const hasSkipped = ({ answers, codes }: Made): boolean =>
  codes !== undefined && codes.some((code) => answers[0] === -numberOf(code))
