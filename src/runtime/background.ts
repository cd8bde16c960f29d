/** A program that runs beside its caller, as long as a scope is open. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type { Ended } from "./program.ts"

/** A program that runs in the background. */
export interface Background<out Up, out E> {
  /** What its start has passed to `onRunning`. */
  readonly up: Up
  /** How it has ended, as soon as all is cleaned up. */
  readonly exit: Effect.Effect<Ended, E>
  /** Waits for that end, and does not count as having asked how it was. */
  readonly ended: Effect.Effect<unknown>
  readonly hasEnded: () => boolean
}

/** The cause with its failures as defects, but for the interruption that was asked for. */
const asDefects = <E>({ reasons }: Cause.Cause<E>): Cause.Cause<never> =>
  Cause.fromReasons(
    reasons
      .filter((reason) => !Cause.isInterruptReason(reason))
      .map((reason) => Cause.isFailReason(reason) ? Cause.makeDieReason(reason.error) : reason as Cause.Die)
  )

/**
 * Runs a program from its start to its end in a fiber of its own; done when the program runs. The end of the scope interrupts the
 * fiber, and waits for it.
 *
 * If the end goes wrong, and nobody has asked how it was, the end of the scope dies of that: a finalizer has no errors, and what
 * is left behind must not go unseen.
 *
 * @param begin is the whole run; it calls `onRunning` once
 */
export const inBackground = <Up, E, R>(
  begin: (onRunning: (up: Up) => Effect.Effect<void>) => Effect.Effect<Ended, E, R>
): Effect.Effect<Background<Up, E>, E, R | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const running = yield* Deferred.make<Up>()
      const fiber = yield* Effect.forkDetach(begin((up) => Effect.asVoid(Deferred.succeed(running, up))), {
        startImmediately: true
      })
      let ended = false
      let told = false
      fiber.addObserver(() => void (ended = true))
      const exit = Effect.flatMap(Fiber.await(fiber), (exit) => {
        told = true
        return exit
      })
      yield* Effect.addFinalizer(() =>
        Effect.gen(function*() {
          yield* Fiber.interrupt(fiber)
          const last = yield* Fiber.await(fiber)
          const causes = !told && Exit.isFailure(last) ? asDefects(last.cause) : Cause.empty
          if (causes.reasons.length > 0) yield* Effect.failCause(causes)
        })
      )
      // what has ended well has run before
      const neverUp = Effect.andThen(exit, Deferred.await(running))
      const up = yield* restore(Effect.raceFirst(Deferred.await(running), neverUp)).pipe(
        // the scope may be open for long
        Effect.onInterrupt(() => Fiber.interrupt(fiber))
      )
      return { up, exit, ended: Fiber.await(fiber), hasEnded: () => ended }
    })
  )
