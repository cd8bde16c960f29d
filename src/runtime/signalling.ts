/**
 * How a program is ended: a signal by its name or number, and the time that the program has.
 *
 * @category programs
 * @since 0.2.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { anyTime, type Time } from "../config/shape/quantity.ts"
import { may, type Shape, struct } from "../config/shape/Shape.ts"
import * as signals from "../config/signals.ts"

/** A signal by its name or number: `"SIGTERM"`, `"TERM"`, 15. */
export type Signal = string | number

/** How a program is ended. */
export interface KillOptions {
  /** SIGTERM if absent. */
  readonly killSignal?: Signal | undefined
  /**
   * How long it has after that, before SIGKILL ends it: milliseconds, or a `Duration`, or a text as `"10 seconds"`. If absent, a
   * program of a sandbox is waited for as long as it takes; a container, and what runs in one, has 10 seconds, since the kernel
   * drops what a process 1 has no handler for.
   */
  readonly forceKillAfter?: Time | undefined
}

/** What a {@link Signal} must be. */
export const signalShape: Shape = (value, at, tell) => {
  if (signals.numberOf(String(value)) === undefined) tell(at, value, "must be a signal: \"SIGTERM\", or 15")
}

/** What {@link KillOptions} must be. */
export const killShape = struct<KillOptions>({ killSignal: may(signalShape), forceKillAfter: may(anyTime) })

/**
 * Sends a signal, and waits for the end; after some time, if one is given, SIGKILL ends what continues.
 *
 * @param options were checked
 */
export const killing = <E>(
  signal: (signal: Signal) => Effect.Effect<void, E>,
  exit: Effect.Effect<unknown, unknown>,
  { forceKillAfter, killSignal = "SIGTERM" }: KillOptions
): Effect.Effect<void, E> =>
  Effect.gen(function*() {
    yield* signal(killSignal)
    if (forceKillAfter !== undefined) {
      const inTime = yield* Effect.timeoutOption(Effect.exit(exit), Duration.fromInputUnsafe(forceKillAfter))
      if (inTime._tag === "Some") return
      yield* signal("SIGKILL")
    }
    yield* Effect.exit(exit)
  })
