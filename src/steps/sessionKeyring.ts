/**
 * Give the container a session keyring of its own, so that it can't use the keys of the caller's session.
 *
 * @see session-keyring(7), keyctl(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { KEY_SPEC, KEYCTL } from "../native/constants.ts"
import { sys } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"
import { joinKeyring, keyringAdvice } from "./init/keyring.ts"

/**
 * The kernel's permissions of a session keyring (possessor: all; user: view, read, link), and search for the user: without
 * it, a process that is executed in the container later does not find the keyring by its name.
 */
const permissions = 0x3f1b0000

/** Joins a new session keyring `_ses.<id>`, for a container's first process. */
export const sessionKeyring = Step.make("sessionKeyring", {
  doc: "join a session keyring of the container's own",
  calls: ["keyctl"],
  requires: [Init],
  reversal: "irreversible",
  deterministic: true,
  advice: keyringAdvice,
  run: Effect.gen(function*() {
    if (!(yield* joinKeyring)) return
    yield* Ahead.unseen(
      sys.keyctl({ operation: KEYCTL.SETPERM, arg2: KEY_SPEC.SESSION_KEYRING, arg3: permissions })
    )
  })
})
