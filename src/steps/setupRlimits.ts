/**
 * Set the resource limits of the process, in the order of the configuration.
 *
 * In a user namespace nobody may raise a hard limit: there the parent sets them from outside with {@link applyRlimits}.
 *
 * @see prlimit(2)
 */
import * as Effect from "effect/Effect"
import type { Rlimit } from "../config/Container.ts"
import * as Step from "../engine/Step.ts"
import { type Kernel, sys } from "../native/Kernel.ts"
import { RlimitError } from "./errors.ts"
import { Init } from "./Init.ts"

/**
 * Sets limits of a process; `pid` 0 is the caller.
 *
 * **Example** (The parent, for an init in a user namespace)
 *
 * ```ts
 * yield* applyRlimits(pid, process.rlimits)
 * ```
 */
export const applyRlimits = (
  pid: number,
  rlimits: ReadonlyArray<Rlimit>
): Effect.Effect<void, RlimitError, Kernel> =>
  Effect.forEach(rlimits, ({ hard, resource, soft }) =>
    Effect.mapError(
      sys.prlimit64({ pid, resource, limit: { soft, hard } }),
      ({ code }) => new RlimitError({ resource, soft, hard, code })
    ), { discard: true })

/** Sets `process.rlimits` of this process. */
export const setupRlimits = Step.make("setupRlimits", {
  doc: "set the resource limits",
  calls: ["prlimit64"],
  requires: [Init],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { process } = yield* Init
    yield* applyRlimits(0, process.rlimits)
  })
})
