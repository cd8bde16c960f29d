/**
 * Makes calls of this process without blocking. Each is made so that it returns at once. If it would block, this module
 * knows which descriptors to wait for, and how long.
 */
import * as Exit from "effect/Exit"
import { AT, F, LOCK, MSG, O, P, POLL, S, SO, STATX, W } from "../../constants.ts"
import { type Call, type Result, SyscallError } from "../../Kernel.ts"
import type { Watched } from "./Watcher.ts"

/** Makes a call of this process. */
export type Make = <C extends Call>(call: C) => Exit.Exit<Result<C>, SyscallError>

/** What is known of a file without a call. */
export interface Known {
  /** Whether a read never waits. */
  readonly isNonblocking: (fd: number) => boolean
  /** Whether it is a regular file, to which a write never waits. */
  readonly isRegular: (fd: number) => boolean
}

/** What a call waits for. */
export interface Wait {
  /** Descriptors to watch; absent if none reports it, so that the call must be repeated. */
  readonly watched?: ReadonlyArray<Watched>
  /** Frees what was made for the wait. */
  readonly close?: () => void
}

/** `PIPE_BUF`: how much room a pipe has if poll(2) reports it writable. */
const pipeBuffer = 4096

/** How much is written to a terminal at once, in bytes: each takes two calls. */
const terminalPiece = 256

/** Makes a call; `undefined` if it would wait. */
export const atOnce = <C extends Call>(
  make: Make,
  call: C,
  known: Known
): Exit.Exit<Result<C>, SyscallError> | undefined =>
  attempt(make, call, known) as Exit.Exit<Result<C>, SyscallError> | undefined

const attempt = (make: Make, call: Call, known: Known): Exit.Exit<unknown, SyscallError> | undefined => {
  switch (call._tag) {
    case "recvmsg":
      return unlessAgain(make, { ...call, flags: call.flags | MSG.DONTWAIT }, (call.flags & MSG.DONTWAIT) !== 0)
    case "sendmsg":
      return unlessAgain(make, { ...call, flags: call.flags | MSG.DONTWAIT }, (call.flags & MSG.DONTWAIT) !== 0)
    case "read":
      return known.isNonblocking(call.fd) || isReady(make, call.fd, POLL.IN) || isNonblocking(make, call.fd)
        ? make(call)
        : undefined
    case "write":
      return known.isRegular(call.fd) ? make(call) : written(make, call)
    case "flock":
      return unlessAgain(make, { ...call, operation: call.operation | LOCK.NB }, (call.operation & LOCK.NB) !== 0)
    case "nanosleep":
      return call.nanoseconds > 0n ? undefined : make(call)
    case "waitid": {
      const exit = make({ ...call, options: call.options | W.NOHANG })
      return Exit.isSuccess(exit) && exit.value === null && (call.options & W.NOHANG) === 0 ? undefined : exit
    }
    case "poll": {
      const exit = make({ ...call, timeout: 0 })
      const isIdle = Exit.isSuccess(exit) && exit.value.every((events) => events === 0)
      return isIdle && call.timeout !== 0 ? undefined : exit
    }
    default:
      return make(call)
  }
}

type Write = Extract<Call, { readonly _tag: "write" }>

/** Writes what there is room for; the next call writes the rest. */
const written = (make: Make, call: Write): Exit.Exit<unknown, SyscallError> | undefined => {
  const type = typeOf(make, call.fd)
  if (type === S.IFREG) return make(call)
  if (!isReady(make, call.fd, POLL.OUT)) return isNonblocking(make, call.fd) ? make(call) : undefined
  return type === S.IFCHR && isTerminal(make, call.fd) && !isNonblocking(make, call.fd)
    ? typed(make, call)
    : make({ ...call, data: call.data.subarray(0, pipeBuffer) })
}

/** A terminal that can be written has room for one byte, and a write waits until it has taken all. */
const typed = (make: Make, call: Write): Exit.Exit<number, SyscallError> => {
  const most = Math.min(call.data.length, terminalPiece)
  let count = 0
  do {
    const exit = make({ ...call, data: call.data.subarray(count, count + 1) })
    // what refuses a later byte is told to who writes it
    if (Exit.isFailure(exit)) return count === 0 ? exit : Exit.succeed(count)
    count += exit.value
  } while (count < most && isReady(make, call.fd, POLL.OUT))
  return Exit.succeed(count)
}

const unlessAgain = (make: Make, call: Call, isAsked: boolean): Exit.Exit<unknown, SyscallError> | undefined => {
  const exit: Exit.Exit<unknown, SyscallError> = make(call)
  if (isAsked || Exit.isSuccess(exit)) return exit
  const reason = exit.cause.reasons[0]
  const isAgain = reason?._tag === "Fail" && reason.error.code === "EAGAIN"
  return isAgain && !("fd" in call && call._tag !== "flock" && isNonblocking(make, call.fd)) ? undefined : exit
}

const isReady = (make: Make, fd: number, events: number): boolean => {
  const ready = make({ _tag: "poll", fds: [fd], events, timeout: 0 })
  return Exit.isSuccess(ready) && ready.value[0] !== 0
}

const isNonblocking = (make: Make, fd: number): boolean => {
  const flags = make({ _tag: "fcntl", fd, command: F.GETFL, argument: 0 })
  return Exit.isSuccess(flags) && (flags.value & O.NONBLOCK) !== 0
}

/** The type of a file; `undefined` if it can't be told. */
const typeOf = (make: Make, fd: number): number | undefined => {
  const stat = make({ _tag: "statx", dirfd: fd, path: "", flags: AT.EMPTY_PATH, mask: STATX.BASIC_STATS })
  return Exit.isSuccess(stat) ? stat.value.mode & S.IFMT : undefined
}

const isTerminal = (make: Make, fd: number): boolean => Exit.isSuccess(make({ _tag: "ioctl_tcgets", fd }))

/** The time limit of a socket, `SO_RCVTIMEO` or `SO_SNDTIMEO`, in milliseconds; `Infinity` without one. */
export type TimeLimit = (fd: number, option: number) => number

/** How long a call waits at most, in milliseconds. */
export const limitOf = (call: Call, timeLimit: TimeLimit): number => {
  switch (call._tag) {
    case "nanosleep":
      return Number(call.nanoseconds) / 1e6
    case "poll":
      return call.timeout >= 0 ? call.timeout : Infinity
    case "read":
    case "recvmsg":
      return timeLimit(call.fd, SO.RCVTIMEO)
    case "write":
    case "sendmsg":
      return timeLimit(call.fd, SO.SNDTIMEO)
    default:
      return Infinity
  }
}

/** The result of a call that has reached its time limit. */
export const late = <C extends Call>(make: Make, call: C): Exit.Exit<Result<C>, SyscallError> => {
  const exit = (): Exit.Exit<unknown, SyscallError> => {
    if (call._tag === "nanosleep") return Exit.void
    return call._tag === "poll" ? make({ ...call, timeout: 0 }) : Exit.fail(new SyscallError({ call, code: "EAGAIN" }))
  }
  return exit() as Exit.Exit<Result<C>, SyscallError>
}

/** What a call that would block waits for. */
export const waitOf = (make: Make, call: Call): Wait => {
  switch (call._tag) {
    case "recvmsg":
    case "read":
      return { watched: [{ fd: call.fd, events: POLL.IN }] }
    case "sendmsg":
    case "write":
      return { watched: [{ fd: call.fd, events: POLL.OUT }] }
    case "nanosleep":
      return { watched: [] }
    case "poll":
      // poll(2) ignores a negative descriptor
      return { watched: call.fds.filter((fd) => fd >= 0).map((fd) => ({ fd, events: call.events })) }
    case "waitid":
      return waitForEnd(make, call)
    default:
      return {}
  }
}

/** Waits for the end of one process by a pidfd, which becomes readable then and for nothing else. */
const waitForEnd = (make: Make, { id, idtype, options }: Extract<Call, { readonly _tag: "waitid" }>): Wait => {
  if ((options & (W.STOPPED | W.CONTINUED)) !== 0) return {}
  if (idtype === P.PIDFD) return { watched: [{ fd: id, events: POLL.IN }] }
  if (idtype !== P.PID) return {}
  const opened = make({ _tag: "pidfd_open", pid: id, flags: 0 })
  if (!Exit.isSuccess(opened)) return {}
  const fd = opened.value
  return { watched: [{ fd, events: POLL.IN }], close: () => void make({ _tag: "close", fd }) }
}
