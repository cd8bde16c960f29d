/**
 * Tell the parent that nothing is left to do but exec. The end of file that follows, when exec closes the channel, then
 * means that the program runs; without this message it means that the init died.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import { send } from "./channel/channel.ts"
import { Init } from "./init/Init.ts"

/** Says "Ready". */
export const reportReady = Step.make("reportReady", {
  doc: "tell the parent that only exec is left",
  calls: ["sendmsg"],
  requires: [Init],
  reversal: "harmless",
  replayable: true,
  run: Effect.gen(function*() {
    const { channel } = yield* Init
    yield* send(channel, { _tag: "Ready" })
  })
})
