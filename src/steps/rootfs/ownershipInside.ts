/**
 * The process is inside the container's user namespace: one of the two steps for this fact, a pipeline takes one.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { Ownership } from "./facts.ts"

/** The process is the container's init: the container's ids are its own. */
export const ownershipInside = Step.make("ownershipInside", {
  doc: "give files to the container's ids as they are",
  calls: [],
  provides: Ownership,
  reversal: "harmless",
  replayable: true,
  run: Effect.succeed({ outside: false, uid: Effect.succeed, gid: Effect.succeed })
})
