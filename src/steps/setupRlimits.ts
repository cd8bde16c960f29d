/**
 * Set the resource limits of the process, in the order of the configuration.
 *
 * In a user namespace no process may raise a hard limit: the parent's step `raiseLimits` has done that from outside.
 *
 * Three limits are only raised here, while the process may. That of descriptors gets its configured value in
 * `restoreProcess`: with a low one, the steps in between could open nothing. Those of the size of files and of the processor
 * time are set in `exec`: a file is written before, and the time of the start counts, too.
 *
 * @see prlimit(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { LimitsSet } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { applyRlimits } from "./init/rlimits.ts"

/** Sets `process.rlimits` of this process; those of descriptors, the size of files and the processor time are only raised. */
export const setupRlimits = Step.make("setupRlimits", {
  doc: "set the resource limits",
  calls: ["prlimit64"],
  requires: [Init],
  provides: LimitsSet,
  reversal: "irreversible",
  deterministic: true,
  run: Effect.gen(function*() {
    const { hardNofile, process } = yield* Init
    yield* applyRlimits(0, process.rlimits, hardNofile)
    return true as const
  })
})
