/**
 * Check the environment of a program that is known late, in place of the one that its container's configuration has.
 *
 * @see environ(7)
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { checkedEnvironment } from "./init/checkedEnvironment.ts"
import { Environment } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Checks `process.env` again; makes no kernel call. */
export const populateLateEnv = Step.make("populateLateEnv", {
  doc: "check the environment of a program that is known late",
  calls: [],
  requires: [Init, Environment],
  provides: Environment,
  reversal: "harmless",
  replayable: true,
  run: Effect.gen(function*() {
    const { container, process: { env } } = yield* Init
    // checked when the start began
    if (env === container.process.env) return yield* Environment
    return yield* checkedEnvironment(env)
  })
})
