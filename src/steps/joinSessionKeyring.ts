/**
 * Join the container's session keyring, so that the program finds the keys of the container and not those of the caller.
 *
 * @see session-keyring(7), keyctl(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { Init } from "./init/Init.ts"
import { joinKeyring, keyringAdvice } from "./init/keyring.ts"

/** Joins the container's session keyring, for a process that is executed in it later. */
export const joinSessionKeyring = Step.make("joinSessionKeyring", {
  doc: "join the container's session keyring",
  calls: ["keyctl"],
  requires: [Init],
  reversal: "irreversible",
  replayable: true,
  advice: keyringAdvice,
  run: Effect.asVoid(joinKeyring)
})
