/**
 * Check the environment of the program, and keep the last value of each name.
 *
 * The environment of the runtime itself is never passed on.
 *
 * @see environ(7)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { checkedEnvironment } from "./init/checkedEnvironment.ts"
import { Environment } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Checks `process.env`; makes no kernel call. */
export const populateEnv = Step.make("populateEnv", {
  doc: "check the program's environment and keep the last value of each name",
  calls: [],
  requires: [Init],
  provides: Environment,
  reversal: "harmless",
  deterministic: true,
  run: Effect.gen(function*() {
    const { process: { env } } = yield* Init
    return yield* checkedEnvironment(env)
  })
})
