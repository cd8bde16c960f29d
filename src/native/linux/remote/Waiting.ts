/**
 * Calls that wait, among processes whose JavaScript shares one thread.
 *
 * A child that waits lets the others go on: its fiber is parked until its call comes to an end, which is looked for
 * whenever this process waits itself. So who waits for what comes out as if each had a processor of its own.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { MSG, POLL, W } from "../../constants.ts"
import type { Call, Result, SyscallError } from "../../Kernel.ts"
import { attempted } from "../Machine.ts"
import { gone, pending } from "./Calls.ts"
import type { Server } from "./Nursery.ts"

/**
 * Makes a call in a process, or, without one, in this. Throws {@link gone}, and {@link pending} where it waits; then it is
 * tried again, as one that goes on.
 */
type Attempt = <C extends Call>(
  call: C,
  server: Server | undefined,
  goesOn?: boolean
) => Exit.Exit<Result<C>, SyscallError>

/** What waiting stands on. */
export interface Callers {
  readonly attempt: Attempt
  /** Makes a thread of this process, which may wait in its place. */
  readonly thread: () => Server
  /** Sleeps until a server has answered, but no longer than some microseconds. */
  readonly sleep: (server: Server, microseconds?: number) => void
}

interface Parked {
  readonly server: Server
  readonly look: () => Exit.Exit<unknown, SyscallError>
  readonly resume: (exit: Exit.Exit<unknown, SyscallError>) => void
}

/** A process that has ended, or has become a program, does nothing more: no finalizer of its fiber runs either. */
export const nothingMore: Effect.Effect<never> = /* @__PURE__ */ Effect.callback(() => {})

/** How long this process rests between two looks while others of its processes wait, in microseconds. */
const rest = 200
/** How long it looks for the others before it has a thread wait, in milliseconds: as long as it takes to wake one of them. */
const moment = 0.1
/** How often those who wait are looked after while this process does something else than wait, in milliseconds. */
const round = 1

/** `PIPE_BUF`: what poll(2) says that a pipe has room for. */
const pipeBuffer = 4096

const isAnswered = ({ place }: Server): boolean => !place.seat.isAsked

/** Makes the calls of all processes of a kernel. */
export const make = ({ attempt, sleep, thread }: Callers) => {
  /** Those whose effects have not come to an end. */
  const live = new Set<Server>()
  const parked = new Set<Parked>()
  /** Those of {@link Callers.thread} that have nothing to do. */
  const threads: Array<Server> = []
  let timer: NodeJS.Timeout | undefined

  /** Lets each of those go on who can; whether there was one. */
  const letOthersGo = (): boolean => {
    let went = false
    for (const one of parked) {
      if (!isAnswered(one.server)) continue
      try {
        const exit = one.look()
        parked.delete(one)
        one.resume(exit)
      } catch (cause) {
        if (cause === pending) continue
        if (cause !== gone) throw cause
        parked.delete(one)
        live.delete(one.server)
      }
      went = true
    }
    return went
  }

  const isOneAway = (): boolean => {
    let here = 0
    for (const { server } of parked) if (live.has(server)) here++
    return here < live.size
  }

  /** Where this process does not wait by a call but for its timers or its streams, the others must go on, too. */
  const watch = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      letOthersGo()
      if (parked.size > 0) watch()
    }, round)
  }

  const park = <C extends Call>(
    server: Server,
    look: () => Exit.Exit<Result<C>, SyscallError>
  ): Effect.Effect<Result<C>, SyscallError> =>
    // the call can't be taken back
    Effect.uninterruptible(Effect.callback((resume) => {
      parked.add({ server, look, resume: resume as Parked["resume"] })
      watch()
    }))

  /** Lets the others go on for a moment, in case that what this process waits for comes from one of them. */
  const waitForOthers = <C extends Call>(call: C): Exit.Exit<Result<C>, SyscallError> | undefined => {
    const end = performance.now() + moment
    do {
      const exit = letOthersGo() ? atOnce(attempt, call) : undefined
      if (exit !== undefined) return exit
    } while (parked.size > 0 && performance.now() < end)
    return undefined
  }

  /** Has a thread wait for this process, which lets the others go on meanwhile. */
  const waitBeside = <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> => {
    const server = threads.pop() ?? attempted(thread)
    // no thread can be had: then the others wait, too
    if (server === undefined) return attempt(call, undefined)
    const finish = (exit: Exit.Exit<Result<C>, SyscallError>): Exit.Exit<Result<C>, SyscallError> => {
      threads.push(server)
      return exit
    }
    let look = () => finish(attempt(call, server))
    for (;;) {
      try {
        return look()
      } catch (cause) {
        if (cause !== pending) throw cause
        look = () => finish(attempt(call, server, true))
      }
      while (!isAnswered(server) && !letOthersGo()) {
        // one of them waits for something else than a call: its timers and streams need this thread
        if (isOneAway()) return park(server, look)
        sleep(server, parked.size > 0 ? rest : undefined)
      }
    }
  }

  /** Makes a call of a process; of this one where none is given. */
  const invoke = <C extends Call>(call: C, server: Server | undefined): Effect.Effect<Result<C>, SyscallError> => {
    try {
      // without others, nobody needs this thread
      if (server !== undefined || live.size === 0) return attempt(call, server)
      return atOnce(attempt, call) ?? waitForOthers(call) ?? waitBeside(call)
    } catch (cause) {
      if (server !== undefined && cause === pending) return park(server, () => attempt(call, server, true))
      if (server === undefined || cause !== gone) throw cause
      live.delete(server)
      return nothingMore
    }
  }

  return { invoke, begin: (server: Server) => void live.add(server), end: (server: Server) => void live.delete(server) }
}

/** Makes a call of this process; nothing where it may wait for others. */
const atOnce = <C extends Call>(attempt: Attempt, call: C): Exit.Exit<Result<C>, SyscallError> | undefined =>
  look(attempt, call) as Exit.Exit<Result<C>, SyscallError> | undefined

const look = (attempt: Attempt, call: Call): Exit.Exit<unknown, SyscallError> | undefined => {
  switch (call._tag) {
    case "recvmsg":
      return (call.flags & MSG.DONTWAIT) !== 0 || isReady(attempt, call.fd, POLL.IN)
        ? attempt(call, undefined)
        : undefined
    case "read":
      return isReady(attempt, call.fd, POLL.IN) ? attempt(call, undefined) : undefined
    case "write":
    case "sendmsg":
      return call.data.length <= pipeBuffer && isReady(attempt, call.fd, POLL.OUT)
        ? attempt(call, undefined)
        : undefined
    case "flock":
    case "nanosleep":
      return undefined
    case "waitid": {
      const exit = attempt({ ...call, options: call.options | W.NOHANG }, undefined)
      return Exit.isSuccess(exit) && exit.value === null && (call.options & W.NOHANG) === 0 ? undefined : exit
    }
    case "poll": {
      const exit = attempt({ ...call, timeout: 0 }, undefined)
      const isIdle = Exit.isSuccess(exit) && exit.value.every((events) => events === 0)
      return isIdle && call.timeout !== 0 ? undefined : exit
    }
    default:
      return attempt(call, undefined)
  }
}

const isReady = (attempt: Attempt, fd: number, events: number): boolean => {
  const ready = attempt({ _tag: "poll", fds: [fd], events, timeout: 0 }, undefined)
  return Exit.isSuccess(ready) && ready.value[0] !== 0
}
