/**
 * Set the file mode creation mask.
 *
 * @see umask(2)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { sys } from "../native/Kernel.ts"
import { Init } from "./init/Init.ts"

/** Sets `process.user.umask`, if the configuration has one. */
export const setUmask = Step.make("setUmask", {
  doc: "set the file mode creation mask",
  calls: ["umask"],
  requires: [Init],
  reversal: "irreversible",
  replayable: true,
  run: Effect.gen(function*() {
    const { process } = yield* Init
    if (process.umask !== undefined) yield* sys.umask({ mask: process.umask })
  })
})
