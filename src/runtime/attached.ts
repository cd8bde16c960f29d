/**
 * Ends the containers and programs that are attached to this process before a signal ends the process itself.
 *
 * A signal without a listener ends a process at once, and nothing is undone. While containers or executed
 * programs are attached (`Runtime.run`, `Runtime.exec`), or are being started, this module listens if the program's author does
 * not: it interrupts the fibers that they run in, waits until all is undone, and sends itself the signal again. It does so for
 * each signal that would end the process and that can be caught, real-time ones included.
 *
 * If the author has listeners of their own, added before or since, this module does nothing.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import process from "node:process"
import { monotonic } from "../native/monotonic.ts"
import { Surroundings } from "../native/Surroundings.ts"
import { listenForEnd } from "./caught.ts"

/** How long the rest of a fiber's finalizers may take, once its containers are gone, in milliseconds. */
const patience = 1000

/** Signals within this time count as one, in milliseconds. */
const once = 500

const attached = new Map<object, Fiber.Fiber<unknown, unknown>>()
let stopListening: (() => void) | undefined
let ending: number | undefined
/** When the first signal has come. */
let since = 0
let timer: NodeJS.Timeout | undefined
const unwinding = new Set<Fiber.Fiber<unknown, unknown>>()

const uninstall = (): void => {
  stopListening?.()
  stopListening = undefined
}

/**
 * Waits for one turn of the event loop: within it, Node reports a signal that has come already and would be lost otherwise.
 */
const uninstallSoon = (): void => {
  setImmediate(() =>
    setImmediate(() => {
      if (attached.size === 0 && ending === undefined) uninstall()
    }).unref()
  ).unref()
}

const endNow = (): void => {
  if (ending === undefined) return
  clearTimeout(timer)
  const signal = ending
  ending = undefined
  uninstall()
  process.kill(process.pid, signal)
}

/** Ends the process if nothing is left to be done. */
const proceed = (): void => {
  if (ending === undefined || attached.size > 0) return
  if (unwinding.size === 0) endNow()
  else timer ??= setTimeout(endNow, patience)
}

const receive = (signal: number, listeners: number): void => {
  // another listener was added meanwhile: it decides
  if (listeners > 1) return
  if (ending !== undefined) {
    // a second signal ends this process at once; the programs die with it, and `prune` finds the rest. timeout(1) and
    // terminals send a signal to a process and to its group, which counts as one
    if (monotonic() - since > once) endNow()
    return
  }
  ending = signal
  since = monotonic()
  for (const fiber of new Set(attached.values())) unwind(fiber)
  proceed()
}

const unwind = (fiber: Fiber.Fiber<unknown, unknown>): void => {
  unwinding.add(fiber)
  fiber.addObserver(() => {
    unwinding.delete(fiber)
    proceed()
  })
  fiber.interruptUnsafe()
}

const join = (fiber: Fiber.Fiber<unknown, unknown>): () => void => {
  const key = {}
  attached.set(key, fiber)
  // an effect that begins now would delay the end
  if (ending !== undefined) unwind(fiber)
  stopListening ??= listenForEnd(receive)
  return () => {
    attached.delete(key)
    if (attached.size > 0) return
    if (ending === undefined) uninstallSoon()
    else proceed()
  }
}

/**
 * Runs an effect whose container or program is attached to this process.
 *
 * @param enabled the author's choice: `false` leaves signals to Node
 */
export const whileAttached = (enabled: boolean) => <A, E, R>(self: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  enabled
    ? Effect.withFiber((fiber) =>
      // a signal to this process does not concern what runs on a model
      fiber.getRef(Surroundings).live
        ? Effect.acquireUseRelease(
          Effect.sync(() => join(fiber)),
          () => self,
          (leave) => Effect.sync(leave)
        )
        : self
    )
    : self
