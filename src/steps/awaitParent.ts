/**
 * Wait until the parent has written the id maps, without which the process can't become root of its user namespace. An init
 * has already joined its cgroups itself; a side-car joins none.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { receiveCalls } from "./channel/channel.ts"
import { awaitWord } from "./init/awaitWord.ts"
import { Admitted } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Waits for the parent's word to enter the namespaces. */
export const awaitParent = Step.make("awaitParent", {
  doc: "wait until the parent has written the id maps",
  calls: receiveCalls,
  requires: [Init],
  provides: Admitted,
  reversal: "harmless",
  replayable: true,
  run: Effect.gen(function*() {
    const { channel } = yield* Init
    yield* awaitWord(channel, "Enter")
    return true as const
  })
})
