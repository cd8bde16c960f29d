/**
 * Passes the signals that this process gets on to the program in the foreground, and holds those that come before it runs.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Event } from "../engine/Events.ts"
import type { AnyPidfd } from "../native/Handle.ts"
import { type Kernel, sys } from "../native/Kernel.ts"
import { releaseInit } from "../steps/parent/releaseInit.ts"
import { catchSignals, isEnding } from "./caught.ts"

/** How long a signal may wait for a program that is about to run, in milliseconds. */
const patience = 1000

/** A relay of signals. */
export interface SignalRelay {
  /** Listens to how far the start has come. */
  readonly listen: (event: Event) => Effect.Effect<void>
  /** Passes held signals and all later ones to the program. */
  readonly to: (pidfd: AnyPidfd) => Effect.Effect<void, never, Kernel>
  /** Passes none from now on: the program has ended, and its pidfd may be the number of another descriptor. */
  readonly over: Effect.Effect<void>
}

/**
 * Makes a relay, until the scope ends.
 *
 * While the container is being made, a signal that would end this process interrupts the fiber that has asked for the
 * relay. Once the init is released to become the program, signals are for the program, which may run by then: they are
 * held until it is known, but not longer than a second.
 */
export const relaySignals: Effect.Effect<SignalRelay, never, Scope.Scope> = Effect.withFiber((fiber) =>
  Effect.gen(function*() {
    let released = false
    let deliver: ((signal: number) => void) | undefined
    let timer: NodeJS.Timeout | undefined
    const held: Array<number> = []
    const interrupt = () => fiber.interruptUnsafe()
    const receive = (signal: number): boolean => {
      if (deliver !== undefined) {
        deliver(signal)
        return true
      }
      if (isEnding(signal) && !released) {
        interrupt()
        return false
      }
      held.push(signal)
      if (isEnding(signal)) timer ??= setTimeout(interrupt, patience)
      return true
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => catchSignals(receive)),
      (stop) =>
        Effect.sync(() => {
          clearTimeout(timer)
          stop()
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
            // a program that has ended takes no signal
            deliver = (signal) => void Effect.runSyncExitWith(context)(sys.pidfd_send_signal({ pidfd, signal }))
            held.forEach(deliver)
          })
        ),
      over: Effect.sync(() => void (deliver = () => {}))
    }
  })
)
