/**
 * Let the init set the container up. The parent continues meanwhile, and lets the program run afterwards (`releaseInit`).
 *
 * @category steps
 * @since 0.3.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { send } from "../channel/channel.ts"
import { peerCalls, whileInitWaits } from "./conversation.ts"
import { Channel, EnteredProcess, Guarded, HostNetworks, InitContinues } from "./facts.ts"

/** Says the first "Go". */
export const continueInit = Step.make("continueInit", {
  doc: "let the init set the container up",
  calls: ["sendmsg", ...peerCalls],
  requires: [Channel, EnteredProcess, Guarded, HostNetworks],
  provides: InitContinues,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { parent: channel } = yield* Channel
    const { pidfd, report } = yield* EnteredProcess
    yield* whileInitWaits({ channel, pidfd, report }, send(channel, { _tag: "Go" }))
    return true as const
  })
})
