/**
 * Which calls can run ahead, and what results are expected of them.
 */
import type { Guess } from "../../Ahead.ts"
import { calls } from "../../calls.ts"
import { F, PR } from "../../constants.ts"
import type { Row } from "../../definition.ts"
import { numberOf } from "../../Errno.ts"
import type { Call, CallName } from "../../Kernel.ts"
import type { Numbers } from "../syscallNumbers.ts"
import type { Expected } from "./Batch.ts"
import { isLast, type Made, type Part, refusedBefore } from "./Made.ts"
import type { OpenFiles } from "./OpenFiles.ts"

/** Calls that are made by themselves, besides those that only wait and those that do not return. */
const alone: ReadonlySet<CallName> = new Set(["clone", "reclone", "connect", "seccomp"])

/** Room for the arguments of the largest call, in bytes. */
export const room = 0x31000

/** How many bytes the arguments and the environment of such a call take at most. */
export const textSize = (call: Call): number =>
  call._tag === "execve" || call._tag === "execveat"
    ? [call.path, ...call.argv, ...call.envp].reduce((sum, text) => sum + text.length * 3 + 9, 0)
    : 0

/** Whether a call must be made by itself. */
export const isAlone = (call: Call): boolean => {
  const { result, waits }: Row = calls[call._tag]
  return result.kind === "never" && !isLast(call) || waits === "only" || alone.has(call._tag)
}

/** Whether a call may wait for another process. */
export const mayWait = ({ _tag }: Call): boolean => {
  const { waits }: Row = calls[_tag]
  return waits === "often" || waits === "only"
}

const opening: ReadonlySet<CallName> = new Set([
  "openat",
  "openat2",
  "open_tree",
  "fsopen",
  "fsmount",
  "dup",
  "memfd_create",
  "socket"
])

/** Options of prctl(2) that return 0. */
const settings: ReadonlySet<number> = new Set([
  PR.CAPBSET_DROP,
  PR.CAP_AMBIENT,
  PR.SET_DUMPABLE,
  PR.SET_KEEPCAPS,
  PR.SET_NO_NEW_PRIVS,
  PR.SET_PDEATHSIG
])

/** The result of a call if nothing is wrong; `undefined` if only the kernel can tell. */
const usualResult = (call: Call, files: OpenFiles): number | undefined => {
  if (calls[call._tag].result.kind === "nothing") return 0
  if (opening.has(call._tag)) return files.next()
  switch (call._tag) {
    case "statx":
    case "fstatfs":
      return 0
    case "umask":
      return files.mask
    case "write":
    case "sendmsg":
      return call.data.length
    case "dup3":
      return call.newfd
    case "fcntl":
      return call.command === F.SETFD || call.command === F.SETFL ? 0 : undefined
    case "prctl":
      return settings.has(call.option) ? 0 : call.option === PR.CAPBSET_READ ? 1 : undefined
    default:
      return undefined
  }
}

/** Whether a call returns its answer in memory instead of as its result. */
export const answersInMemory = (call: Call): boolean => call._tag === "prctl" && call.option === PR.GET_PDEATHSIG

/** How many bytes of a text are compared at most: each eight take an entry of the list, and a call has 16 at most. */
const longestGuess = 96

/** Whether a guess can be checked for a call. Of texts, only the working directory and a message can. */
export const fits = (call: Call, guess: Guess | undefined): boolean =>
  guess?._tag !== "Gives" || typeof guess.value === "number" ||
  (call._tag === "getcwd" || call._tag === "recvmsg") && Buffer.byteLength(guess.value) < longestGuess

/** Calls that look for something that may not be there. */
const looking: ReadonlySet<CallName> = new Set(["openat", "openat2", "readlinkat", "statx", "fstatfs"])

/**
 * How many guesses of a step may be wrong. After each, it runs again from its start. With hundreds of wrong guesses (as
 * many mount points that an image does not have) it would run hundreds of times. After this many, it waits for the answers
 * of its look-ups.
 */
const mostUnlucky = 4

/**
 * How many fields a step may read that have not come yet. After each, it runs again too. (A mount of a tmpfs reads the mode of
 * what it covers.) It costs less than to wait for all look-ups, so it may happen more often.
 */
const mostEarly = 16

const usually = (call: Call, part: Part, files: OpenFiles): readonly [Expected, number | undefined] => {
  if ((part.unlucky >= mostUnlucky || part.early >= mostEarly) && looking.has(call._tag)) return ["anything", undefined]
  const usual = refusedBefore(part, call) ?? usualResult(call, files)
  return usual === undefined ? ["anything", undefined] : [usual, usual]
}

/** What the result of a handler's first call must be, and the result that the handler gets until then. */
export const expectedOf = (
  { before, call, guess, part }: Made,
  files: OpenFiles
): readonly [Expected, number | undefined] => {
  // it failed in the same place for an earlier container
  if (before !== undefined && before < 0) return [before, before]
  switch (guess?._tag) {
    case "Bits":
      return ["success", files.flagsOf(call) ?? guess.value]
    case "Fails":
      if (before !== undefined) return usually(call, part, files)
      return [-numberOf(guess.code), -numberOf(guess.code)]
    case "Gives": {
      const result = typeof guess.value === "string"
        ? Buffer.byteLength(guess.value) + (call._tag === "getcwd" ? 1 : 0)
        : answersInMemory(call)
        ? 0
        : before ?? guess.value
      return [result, result]
    }
    case "Unseen":
      return ["success", 0]
    default:
      return usually(call, part, files)
  }
}

/** The same for the further calls of a handler: an exchange on a socket. */
export const furtherOf = (
  numbers: Numbers,
  number: number,
  size: number,
  files: OpenFiles
): readonly [Expected, number | undefined] => {
  switch (number) {
    case numbers.socket:
      return [files.next(), files.next()]
    case numbers.setsockopt:
    case numbers.close:
      return ["anything", 0]
    case numbers.close_range:
      return [0, 0]
    case numbers.sendto:
      return [size, size]
    default:
      return ["anything", undefined]
  }
}
