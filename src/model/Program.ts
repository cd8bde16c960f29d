/**
 * What programs do on the model, which runs no machine code. A program ends by itself, or it is an Effect of the test,
 * whose calls the process makes that has executed it.
 *
 * @category models
 * @since 0.2.0
 */
import type * as Effect from "effect/Effect"
import type { Fork } from "../native/Fork.ts"
import type { Kernel } from "../native/Kernel.ts"
import type { Executed } from "./State.ts"

/** A program of which only the end is modelled. */
export interface Ends {
  /** Exit status; 0 if absent. */
  readonly exit?: number
  /** Nanoseconds of the model's time until it ends by itself; one minute if absent. `"never"`: only a signal ends it. */
  readonly after?: bigint | "never"
}

/**
 * A program that makes calls. It gets what it was executed with, and returns its exit status (0 for `undefined`). Its
 * process makes its calls, with the process's rights. They are not recorded, and `Faults` does not make them fail. If it
 * fails, the error is written to standard error, and it exits with 1.
 *
 * **Example** (A program that works for an hour)
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
