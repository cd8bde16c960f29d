/**
 * Pass on the signals that this process gets to the program that runs in the foreground; hold those that come before it
 * runs.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import process from "node:process"
import type { Event } from "../engine/Events.ts"
import { type Kernel, sys } from "../native/Kernel.ts"
import { releaseInit } from "../steps/parent/releaseInit.ts"

/** All that can be passed on: not those that can't be caught, that this process has uses of its own for, or that a fault sends. */
const passed: ReadonlyArray<NodeJS.Signals> = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGTERM",
  "SIGUSR1",
  "SIGUSR2",
  "SIGALRM",
  "SIGCONT",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGIO",
  "SIGPWR"
]

/** Signals that mean the end of this command where there is no program yet that they could be meant for. */
export const ending: ReadonlyArray<NodeJS.Signals> = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"]

/** How long a signal may wait for a program that is about to run, in milliseconds. */
const patience = 1000

/** A relay of signals. */
export interface Relay {
  /** Tells it how far the start has come. */
  readonly listen: (event: Event) => Effect.Effect<void>
  /** Passes on what it holds, and what comes from now on, to the program. */
  readonly to: (pidfd: number) => Effect.Effect<void, never, Kernel>
}

/**
 * Makes a relay, until the scope ends.
 *
 * As long as the container is being made, a signal of {@link ending} interrupts the fiber that has asked for the relay.
 * From the moment on at which the init goes its last way to the program, signals are for the program, which may run by
 * the time that they come: they are held until it is known, but not longer than a second.
 */
export const relaySignals: Effect.Effect<Relay, never, Scope.Scope> = Effect.withFiber((fiber) =>
  Effect.gen(function*() {
    let released = false
    let deliver: ((signal: number) => void) | undefined
    let timer: NodeJS.Timeout | undefined
    const held: Array<number> = []
    const interrupt = () => fiber.interruptUnsafe()
    const receive = (name: NodeJS.Signals, signal: number) => {
      if (deliver !== undefined) return deliver(signal)
      held.push(signal)
      if (!ending.includes(name)) return
      if (released) timer ??= setTimeout(interrupt, patience)
      else interrupt()
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => passed.forEach((name) => process.on(name, receive))),
      () =>
        Effect.sync(() => {
          clearTimeout(timer)
          passed.forEach((name) => process.off(name, receive))
        })
    )
    return {
      listen: (event) =>
        Effect.sync(() => {
          if (event._tag === "Started" && event.step === releaseInit.name) released = true
        }),
      to: (pidfd) =>
        Effect.contextWith((context) =>
          Effect.sync(() => {
            clearTimeout(timer)
            // one that has ended takes no signal any more
            deliver = (signal) => void Effect.runSyncExitWith(context)(sys.pidfd_send_signal({ pidfd, signal }))
            held.forEach(deliver)
          })
        )
    }
  })
)
