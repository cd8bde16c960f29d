/**
 * Exchange the host's null device on standard input, output and error for the container's.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { StdioConnected } from "../init/facts.ts"
import { InRoot } from "./facts.ts"
import { exchangeAdvice, exchangeCalls, exchangeNull } from "./nullDevice.ts"

/** Opens the container's null device again on those of descriptors 0 to 2 that are the host's. */
export const reopenDevNull = Step.make("reopenDevNull", {
  doc: "exchange the host's /dev/null on standard input, output and error for the container's",
  calls: exchangeCalls,
  requires: [InRoot, StdioConnected],
  reversal: "irreversible",
  deterministic: true,
  advice: exchangeAdvice,
  run: Effect.flatMap(InRoot, ({ fd }) => exchangeNull(fd))
})
