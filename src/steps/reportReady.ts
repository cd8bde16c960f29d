/**
 * Tell the parent that nothing is left to do but exec. The end of file that follows, when exec closes the channel, then
 * means that the program runs; without this message it means that the init died.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Event } from "../engine/Events.ts"
import * as Step from "../engine/Step.ts"
import { send } from "./channel.ts"
import { Init } from "./Init.ts"

/** The events that this process has seen so far, for the parent's account of the time; by default none. */
export const Journal = Context.Reference<ReadonlyArray<Event>>("runfx/Journal", { defaultValue: () => [] })

/** Says "Ready", with the time that each step took. */
export const reportReady = Step.make("reportReady", {
  doc: "tell the parent that only exec is left",
  calls: ["sendmsg"],
  requires: [Init],
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { channel } = yield* Init
    yield* send(channel, { _tag: "Ready", events: yield* Journal })
  })
})
