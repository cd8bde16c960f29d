/**
 * Calls that wait, among processes whose JavaScript shares one thread.
 *
 * A child that waits lets the others go on: its fiber is parked until its call comes to an end, which is looked for
 * whenever this process waits itself. So who waits for what comes out as if each had a processor of its own.
 *
 * To be woken takes a process much longer than to make a call. So a call that would wait for others is not made until
 * nobody else can go on: before that, the child only looks, now and then, whether it would wait still.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { AT, MSG, POLL, S, STATX, W } from "../../constants.ts"
import type { Call, Result, SyscallError } from "../../Kernel.ts"
import { attempted } from "../Machine.ts"
import { gone, pending, secondCall } from "./Calls.ts"
import type { Server } from "./Nursery.ts"

/** Whether a call starts, starts and is known to wait, or is one that was left and goes on. */
export type Phase = "starts" | "waits" | "goesOn"

/**
 * Makes a call in a process, or, without one, in this. Throws {@link gone}, and {@link pending} where it waits; then it is
 * tried again, as one that goes on.
 */
type Attempt = <C extends Call>(
  call: C,
  server: Server | undefined,
  phase?: Phase
) => Exit.Exit<Result<C>, SyscallError>

/** {@link Attempt}, of one process. */
type Make = <C extends Call>(call: C) => Exit.Exit<Result<C>, SyscallError>

/** What waiting stands on. */
export interface Callers {
  readonly attempt: Attempt
  /** Makes a thread of this process, which may wait in its place. */
  readonly thread: () => Server
  /** Sleeps until a server has answered, but no longer than some microseconds. */
  readonly sleep: (server: Server, microseconds?: number) => void
  /** A server was found gone. */
  readonly release: (server: Server) => void
}

interface Parked {
  /** Throws {@link pending}, or {@link gone}. */
  look: () => Exit.Exit<unknown, SyscallError>
  /** Makes the call that it only looks for so far; absent where that is made. */
  wait?: () => void
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
export const make = ({ attempt, release, sleep, thread }: Callers) => {
  /** Those whose effects have not come to an end. */
  const live = new Set<Server>()
  const parked = new Map<Server, Parked>()
  /** Those of {@link Callers.thread} that have nothing to do. */
  const threads: Array<Server> = []
  let timer: NodeJS.Timeout | undefined

  /** A server has gone. */
  const end = (server: Server): void => {
    live.delete(server)
    release(server)
  }

  /** Lets each of those go on who can; whether there was one. */
  const letOthersGo = (): boolean => {
    let went = false
    for (const [server, one] of parked) {
      if (!isAnswered(server)) continue
      try {
        const exit = one.look()
        parked.delete(server)
        one.resume(exit)
      } catch (cause) {
        if (cause === pending) continue
        parked.delete(server)
        // what is wrong with it is its own fiber's, not of who has looked
        if (cause !== gone) one.resume(Exit.die(cause))
        else end(server)
      }
      went = true
    }
    return went
  }

  const isOneAway = (): boolean => {
    let here = 0
    for (const server of parked.keys()) if (live.has(server)) here++
    return here < live.size
  }

  /** Where this process does not wait by a call but for its timers or its streams, the others must go on, too. */
  const watch = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined
      letOthersGo()
      haveOthersWait()
      if (parked.size > 0) watch()
    }, round)
  }

  const park = <C extends Call>(
    server: Server,
    look: () => Exit.Exit<Result<C>, SyscallError>,
    wait?: (one: Parked) => void
  ): Effect.Effect<Result<C>, SyscallError> =>
    // the call can't be taken back
    Effect.uninterruptible(Effect.callback((resume) => {
      const one: Parked = { look, resume: resume as Parked["resume"] }
      if (wait !== undefined) one.wait = () => wait(one)
      parked.set(server, one)
      watch()
    }))

  /** Makes a call of a child, whose fiber is parked if it waits. */
  const invokeIn = <C extends Call>(call: C, server: Server): Effect.Effect<Result<C>, SyscallError> => {
    if (parked.has(server)) throw secondCall()
    const goOn = () => attempt(call, server, "goesOn")
    // a filter may refuse to look, or worse
    if (!mayWait(call) || server.place.calls.isFiltered) {
      try {
        return attempt(call, server)
      } catch (cause) {
        if (cause !== pending) throw cause
        return park(server, goOn)
      }
    }
    const peek = replayed((part, goesOn) => attempt(part, server, goesOn ? "goesOn" : "starts"))
    let isLooking = false
    const look = (): Exit.Exit<Result<C>, SyscallError> => {
      isLooking = true
      const exit = peek((make) => atOnce(make, call))
      isLooking = false
      if (exit === undefined) throw pending
      return exit
    }
    try {
      return look()
    } catch (cause) {
      if (cause !== pending) throw cause
    }
    return park(server, look, (one) => {
      // the answer to a look is still to come, or to be taken
      if (isLooking) return
      delete one.wait
      one.look = goOn
      try {
        const exit = attempt(call, server, "waits")
        one.look = () => exit
      } catch (cause) {
        // one that has gone is found when it is looked after
        if (cause !== pending && cause !== gone) one.look = () => Exit.die(cause)
      }
    })
  }

  /** Those who go on are all waited for: makes their calls. */
  const haveOthersWait = (): void => {
    for (const { wait } of parked.values()) wait?.()
  }

  /** Lets the others go on for a moment, in case that what this process waits for comes from one of them. */
  const waitForOthers = <C extends Call>(call: C): Exit.Exit<Result<C>, SyscallError> | undefined => {
    const end = performance.now() + moment
    do {
      const exit = letOthersGo() ? atOnce(makeOwn, call) : undefined
      if (exit !== undefined) return exit
    } while (parked.size > 0 && performance.now() < end)
    return undefined
  }

  /** Has a thread wait for this process, which lets the others go on meanwhile. */
  const waitBeside = <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> => {
    const server = threads.pop() ?? attempted(thread)
    // no thread can be had: then the others wait, too
    if (server === undefined) return attempt(call, undefined)
    let phase: Phase = "waits"
    const look = () => {
      const exit = attempt(call, server, phase)
      threads.push(server)
      return exit
    }
    for (;;) {
      try {
        return look()
      } catch (cause) {
        if (cause !== pending) throw cause
        phase = "goesOn"
      }
      while (!isAnswered(server) && !letOthersGo()) {
        haveOthersWait()
        // one of them waits for something else than a call: its timers and streams need this thread
        if (isOneAway()) return park(server, look)
        sleep(server, parked.size > 0 ? rest : undefined)
      }
    }
  }

  const makeOwn: Make = (call) => attempt(call, undefined)

  /** Makes a call of this process, while there are others. */
  const invokeHere = <C extends Call>(call: C): Effect.Effect<Result<C>, SyscallError> => {
    const exit = atOnce(makeOwn, call) ?? waitForOthers(call)
    if (exit !== undefined) return exit
    return live.size === 0 ? attempt(call, undefined) : waitBeside(call)
  }

  /** Makes a call of a process; of this one where none is given. */
  const invoke = <C extends Call>(call: C, server: Server | undefined): Effect.Effect<Result<C>, SyscallError> => {
    // without others, nobody needs this thread
    if (server === undefined) return live.size === 0 ? attempt(call, undefined) : invokeHere(call)
    try {
      return invokeIn(call, server)
    } catch (cause) {
      if (cause !== gone) throw cause
      end(server)
      return nothingMore
    }
  }

  return { invoke, begin: (server: Server) => void live.add(server), end }
}

const thatMayWait: ReadonlySet<Call["_tag"]> = new Set(["flock", "nanosleep", "poll", "read", "recvmsg", "waitid"])

/** Whether a call may wait for what somebody else does, for long. */
const mayWait = (call: Call): boolean => thatMayWait.has(call._tag)

/**
 * Runs a function that makes several calls, any of which may be left: the function then runs again, from its start, and is
 * given what it was given before.
 */
const replayed = (attempt: (call: Call, goesOn: boolean) => Exit.Exit<unknown, SyscallError>) => {
  let made: Array<Exit.Exit<unknown, SyscallError>> = []
  let isPending = false
  return <A>(use: (make: Make) => A): A => {
    let given = 0
    const make = (call: Call): Exit.Exit<unknown, SyscallError> => {
      if (given === made.length) {
        const goesOn = isPending
        isPending = true
        made.push(attempt(call, goesOn))
        isPending = false
      }
      return made[given++]!
    }
    const result = use(make as Make)
    made = []
    return result
  }
}

/** Makes a call; nothing where it would wait for others. */
const atOnce = <C extends Call>(make: Make, call: C): Exit.Exit<Result<C>, SyscallError> | undefined =>
  look(make, call) as Exit.Exit<Result<C>, SyscallError> | undefined

const look = (make: Make, call: Call): Exit.Exit<unknown, SyscallError> | undefined => {
  switch (call._tag) {
    case "recvmsg":
      return (call.flags & MSG.DONTWAIT) !== 0 || isReady(make, call.fd, POLL.IN) ? make(call) : undefined
    case "read":
      return isReady(make, call.fd, POLL.IN) ? make(call) : undefined
    case "sendmsg":
      return call.data.length <= pipeBuffer && isReady(make, call.fd, POLL.OUT) ? make(call) : undefined
    case "write":
      return isReady(make, call.fd, POLL.OUT) && (call.data.length <= pipeBuffer || isFile(make, call.fd))
        ? make(call)
        : undefined
    case "flock":
    case "nanosleep":
      return undefined
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

const isReady = (make: Make, fd: number, events: number): boolean => {
  const ready = make({ _tag: "poll", fds: [fd], events, timeout: 0 })
  return Exit.isSuccess(ready) && ready.value[0] !== 0
}

const isFile = (make: Make, fd: number): boolean => {
  const stat = make({ _tag: "statx", dirfd: fd, path: "", flags: AT.EMPTY_PATH, mask: STATX.BASIC_STATS })
  return Exit.isSuccess(stat) && (stat.value.mode & S.IFMT) === S.IFREG
}
