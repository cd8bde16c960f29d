/**
 * Cleanups that must be complete: all parts are tried, and every failure is reported.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

/** Runs one part after the other, even if some fail; then fails with all of their failures. */
export const tryAll = Effect.fnUntraced(function*<E, R>(
  parts: ReadonlyArray<Effect.Effect<unknown, E, R>>
): Effect.fn.Return<void, E, R> {
  let failures: Cause.Cause<E> = Cause.empty
  for (const part of parts) {
    const exit = yield* Effect.exit(part)
    if (Exit.isFailure(exit)) failures = Cause.combine(failures, exit.cause)
  }
  if (failures.reasons.length > 0) yield* Effect.failCause(failures)
})

/** Runs an end after an effect, whatever that came to. If both fail, both causes are reported, the end's last. */
export const thenEnd = <A, E, E2, R2>(
  exit: Exit.Exit<A, E>,
  end: Effect.Effect<unknown, E2, R2>
): Effect.Effect<A, E | E2, R2> =>
  Effect.flatMap(Effect.exit(end), (ended): Effect.Effect<A, E | E2> => {
    if (Exit.isSuccess(ended)) return exit
    return Exit.isSuccess(exit)
      ? Effect.failCause(ended.cause)
      : Effect.failCause(Cause.combine(exit.cause, ended.cause))
  })

/** Stops what was started if the result can't be handed over; if stopping fails too, both causes are reported. */
export const orElseEnd = <A, E, R, E2, R2>(
  self: Effect.Effect<A, E, R>,
  end: Effect.Effect<unknown, E2, R2>
): Effect.Effect<A, E | E2, R | R2> =>
  Effect.flatMap(
    Effect.exit(self),
    (exit): Effect.Effect<A, E | E2, R2> => Exit.isFailure(exit) ? thenEnd(exit, end) : exit
  )
