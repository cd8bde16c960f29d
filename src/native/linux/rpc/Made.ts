/**
 * The calls of a part of a journey, and their outcomes.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Guess } from "../../Ahead.ts"
import { type Errno, numberOf } from "../../Errno.ts"
import type { Call, SyscallError } from "../../Kernel.ts"
import { located } from "../failed.ts"
import type { Acknowledgement } from "./acknowledged.ts"
import { type Answers, type History, placeOf } from "./History.ts"
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
  /** The kernel's acknowledgement, if it is expected. */
  acknowledged: Acknowledgement | undefined = undefined
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

/** Calls that make the process a program. They end a list, since nothing comes after one that succeeds. */
export const isLast = ({ _tag }: Call): boolean => _tag === "execve" || _tag === "execveat"

/** The calls of a part, in their order. */
export const callsOf = (part: Part | undefined): ReadonlyArray<Made> =>
  part?.log.filter(({ call }) => call !== noCall) ?? []

/** Whether two calls, or two of their arguments, are the same. */
const isSameValue = (one: unknown, other: unknown): boolean => {
  if (one === other) return true
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null) return false
  const keys = Object.keys(one)
  return keys.length === Object.keys(other).length &&
    keys.every((key) => isSameValue((one as Record<string, unknown>)[key], (other as Record<string, unknown>)[key]))
}

/** Whether the results of a call are needed even if they are as expected. */
const asksFor = (made: Made): boolean =>
  made.exit === undefined || made.coming !== undefined || made.isChecked || made.codes !== undefined

/** Whether a call whose result was as expected must still be looked at. */
export const isOpen = (made: Made): boolean =>
  made.coming !== undefined || made.exit === undefined || made.isChecked || hasSkipped(made)

/** Whether the kernel has refused a call. */
export const isFailure = ({ answers: [answer] }: Made): boolean => answer !== undefined && answer < 0

/** Makes a call of a part again that was made when the part ran before. */
export const repeat = (
  part: Part,
  made: Made,
  call: Call,
  files: OpenFiles
): Effect.Effect<unknown, SyscallError> => {
  if (!isSameValue(made.call, call)) {
    return Effect.die(new Error(`run again, an effect makes the call ${call._tag} in place of ${made.call._tag}`))
  }
  part.next++
  made.exit = located(made.exit!, files)
  if (Exit.isSuccess(made.exit)) files.made(call, made.exit.value)
  return made.exit
}

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
const hasSkipped = ({ answers, codes }: Made): boolean =>
  codes !== undefined && codes.some((code) => answers[0] === -numberOf(code))

/** Failures that steps handle as a rule: something is not there yet, or is there already. */
const handled: ReadonlySet<number> = new Set([-numberOf("ENOENT"), -numberOf("EEXIST")])

/** Whether a call is assumed to fail, as it did for an earlier container, and most likely fails its step with that. */
export const isToldOf = ({ before }: Made): boolean => before !== undefined && !handled.has(before)

/** Results that come by chance (EAGAIN, EINTR) predict nothing. */
const passing: ReadonlySet<number> = new Set([-numberOf("EAGAIN"), -numberOf("EINTR")])

/** Remembers an unexpected result, as the guess for the next container. */
export const remember = (history: History, { answers: [answer, further], call, index, part }: Made): void => {
  if (answer === undefined || further !== undefined || passing.has(answer) || isLast(call)) return
  history.remember(part.name, placeOf(call, index), answer)
}

/** What is known of the calls of a list once it was made. */
interface Sorted {
  readonly known: ReadonlyArray<Made>
  /** The last call that was made, if its result was not as expected. */
  readonly unlucky: Made | undefined
  /** The part of the first call that was not as expected, or was not made. */
  readonly lost: Part | undefined
}

/** Which calls of a list were made, with their results: the first `held` entries were made, and were as expected. */
export const sort = (calls: ReadonlyArray<Made>, held: number, resultOf: (entry: number) => number): Sorted => {
  const known: Array<Made> = []
  let unlucky: Made | undefined
  let lost: Part | undefined
  let skipped = 0
  for (const one of calls) {
    const { count, first } = one
    if (first < skipped || first > held) {
      if (first > held) lost ??= one.part
      one.part.log.splice(one.part.log.indexOf(one), 1)
      one.part.next = one.part.log.length
      continue
    }
    const end = first + count
    if (end > held) unlucky = one
    if (one === unlucky || asksFor(one)) {
      const came = Array.from({ length: Math.min(end, held + 1) - first }, (_, at) => resultOf(first + at))
      one.answers = one.answers.length === 0 ? came : [...one.answers, ...came]
    }
    known.push(one)
    if (one.until !== undefined && hasSkipped(one)) skipped = one.until
  }
  return { known, lost: unlucky?.part ?? lost, unlucky }
}
