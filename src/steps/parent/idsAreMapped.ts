/**
 * Take the ids as mapped, for a process that joins the user namespace of a running container.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { IdsMapped } from "./facts.ts"

/** A process that joins a user namespace finds its ids mapped. */
export const idsAreMapped = Step.make("idsAreMapped", {
  doc: "the user namespace that is joined has its maps",
  calls: [],
  provides: IdsMapped,
  reversal: "harmless",
  run: Effect.succeed(true as const)
})
