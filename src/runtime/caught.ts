/**
 * All signals that would end this process, and those that stop a program or let it continue, real-time ones included.
 *
 * Node can listen only to signals that it has names for; libuv, below it, to any. The class of libuv's handles is not part
 * of Node's interface, but async_hooks(7) shows the handle of each signal with a listener, and so its class. If a version
 * of Node does not show it, real-time signals end this process, as they end any other.
 *
 * @see signal(7), https://nodejs.org/api/async_hooks.html
 */
import { createHook } from "node:async_hooks"
import process from "node:process"
import { SIG } from "../native/constants.ts"

/**
 * The signals that end this process. These are left out: signals that can't be caught (KILL, STOP); those of a fault of this
 * process, after which no JavaScript can run (SEGV, BUS, FPE, ILL, SYS); those that Node ignores (PIPE, XFSZ); and those by
 * which a terminal stops a background job (TTIN, TTOU): if they are caught, the kernel restarts the read or the change of
 * modes, which stops the job again, in a loop.
 */
const ending: ReadonlyArray<NodeJS.Signals> = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTRAP",
  "SIGABRT",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGTERM",
  "SIGSTKFLT",
  "SIGXCPU",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGPWR"
]

/** Those that do not end this process: they are for the program alone. */
const others: ReadonlyArray<NodeJS.Signals> = ["SIGCONT", "SIGTSTP"]

/** The real-time signals: the C library uses 32 and 33 itself. */
const realTime = Array.from({ length: 64 - 33 }, (_, index) => 34 + index)

const endingNumbers = new Set([...ending.map((name) => SIG[name.slice("SIG".length) as keyof typeof SIG]), ...realTime])

/** Whether a signal ends a process that does not listen to it. */
export const isEnding = (signal: number): boolean => endingNumbers.has(signal)

/** Whether V8's profiler may run, which uses SIGPROF. */
const isProfiled = (): boolean => [...process.execArgv, process.env["NODE_OPTIONS"] ?? ""].join(" ").includes("prof")

/** A handle of libuv's for one signal. */
interface Handle {
  onsignal: (signal: number) => void
  readonly start: (signal: number) => number
  readonly unref: () => void
  readonly close: () => void
}

let handleClass: (new() => Handle) | undefined

/** Runs a function that listens to a signal without listeners, and records the class of its handle. */
const learning = (listen: () => void): void => {
  if (handleClass !== undefined) return listen()
  const hook = createHook({
    init: (_, type, __, resource) => {
      if (type === "SIGNALWRAP") handleClass ??= resource.constructor as new() => Handle
    }
  }).enable()
  try {
    listen()
  } finally {
    hook.disable()
  }
}

/** Listens to a signal that Node has no name for; returns whether it could. */
const listenTo = (signal: number, receive: (signal: number) => void): Handle | undefined => {
  try {
    if (handleClass === undefined) return undefined
    const handle = new handleClass()
    handle.onsignal = receive
    if (handle.start(signal) !== 0) {
      handle.close()
      return undefined
    }
    // as Node's own: a listener does not keep the event loop alive
    handle.unref()
    return handle
  } catch {
    return undefined
  }
}

/**
 * A receiver of signals.
 *
 * @param taken whether a later receiver has taken it
 * @returns whether it takes the signal itself
 */
type Receiver = (signal: number, taken: boolean) => boolean

const receivers: Array<Receiver> = []
let stop: (() => void) | undefined

/** Later receivers first: the first receiver is called for all signals, and learns which were taken. */
const dispatch = (signal: number): void => {
  let taken = false
  for (const receive of receivers.toReversed()) taken = receive(signal, taken) || taken
}

/**
 * Listens to the signals that end this process, except those that already have a listener, and SIGUSR1, on which Node starts
 * its debugger.
 *
 * @param receive gets the signal's number, and how many listeners it has by now
 */
export const listenForEnd = (receive: (signal: number, listeners: number) => void): () => void => {
  const byName = (name: NodeJS.Signals, signal: number) => receive(signal, process.listenerCount(name))
  const named = ending.filter((name) =>
    name !== "SIGUSR1" && (name !== "SIGPROF" || !isProfiled()) && process.listenerCount(name) === 0
  )
  learning(() => named.forEach((name) => process.on(name, byName)))
  const handles = realTime.map((signal) => listenTo(signal, () => receive(signal, 1 + receivers.length)))
  return () => {
    named.forEach((name) => process.off(name, byName))
    handles.forEach((handle) => handle?.close())
  }
}

const listen = (): () => void => {
  const byName = (_: NodeJS.Signals, signal: number) => dispatch(signal)
  const named = [...ending.filter((name) => name !== "SIGPROF" || !isProfiled()), ...others]
  learning(() => named.forEach((name) => process.on(name, byName)))
  const handles = realTime.map((signal) => listenTo(signal, dispatch))
  return () => {
    named.forEach((name) => process.off(name, byName))
    handles.forEach((handle) => handle?.close())
  }
}

/** Passes the signals to a receiver, until the returned function is called. */
export const catchSignals = (receive: Receiver): () => void => {
  receivers.push(receive)
  stop ??= listen()
  return () => {
    const at = receivers.indexOf(receive)
    if (at >= 0) receivers.splice(at, 1)
    if (receivers.length > 0) return
    stop?.()
    stop = undefined
  }
}
