/**
 * What programs do on the model, which runs no machine code: they end by themselves, or they are effects that a test has
 * written, whose calls are made by the process that has executed them.
 */
import type * as Effect from "effect/Effect"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import type { Executed } from "./State.ts"

/** A program of which only the end is modelled. */
export interface Ends {
  /** Exit status; 0. */
  readonly exit?: number
  /** Nanoseconds of the model's time until it ends by itself; one minute. `"never"`: only a signal ends it. */
  readonly after?: bigint | "never"
}

/**
 * A program that acts: it gets what it was executed with, and returns its exit status, 0 if it returns none. Its calls are
 * its process's, with what that may do, and reach the model as they are: no rule of `Faults` makes them fail, and none is on
 * record. If it fails, it writes the error on standard error and exits with 1.
 *
 * **Example** (One that works for an hour)
 *
 * ```ts
 * import * as Effect from "effect/Effect"
 * import { Check } from "runfx/testing"
 *
 * const checked = Check.run(start, {
 *   programs: { "/bin/job": ({ argv }) => Effect.as(Effect.sleep("1 hour"), argv.length > 1 ? 0 : 64) }
 * })
 * ```
 */
export type Script = (self: Executed) => number | void | Effect.Effect<number | void, unknown, Kernel | Fork>

/** What a program does. */
export type Program = Ends | Script
