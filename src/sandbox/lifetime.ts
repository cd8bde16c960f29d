/** How long a program in a sandbox runs: as long as the scope of its caller, unless the caller lets go of it. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"

/** What was made, and the way to let go of it. */
export interface Held<A> {
  readonly value: A
  /** Lets go of it: the end of the scope leaves it alone. The effect that this one succeeds with takes that back. */
  readonly unref: Effect.Effect<Effect.Effect<void>>
}

/**
 * Makes something in a scope of its own, which ends with the caller's scope; or, if the caller has let go of it, when it has
 * ended by itself.
 *
 * @param atEnd is done before the scope's end ends it
 * @param ended waits for its own end
 */
export const held = <A, E, R>(
  make: Effect.Effect<A, E, R>,
  { atEnd, ended }: {
    readonly atEnd: (value: A) => Effect.Effect<void>
    readonly ended: (value: A) => Effect.Effect<unknown, unknown>
  }
): Effect.Effect<Held<A>, E, Exclude<R, Scope.Scope> | Scope.Scope> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function*() {
      const own = yield* Scope.make()
      let isHeld = true
      const value = yield* Effect.onError(
        restore(Scope.provide(own)(make)),
        (cause) => Scope.close(own, Exit.failCause(cause))
      )
      yield* Effect.addFinalizer((exit) =>
        Effect.suspend(() => {
          const close = Scope.close(own, exit)
          if (isHeld) return Effect.ensuring(atEnd(value), close)
          return Effect.sync(() => void Effect.runFork(Effect.ensuring(Effect.exit(ended(value)), close)))
        })
      )
      const hold = Effect.sync(() => void (isHeld = true))
      return { value, unref: Effect.as(Effect.sync(() => void (isHeld = false)), hold) }
    })
  )
