/**
 * Let the init do all that it can do without its program.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { send } from "../channel/channel.ts"
import { await_, whileInitWaits } from "./conversation.ts"
import { Channel, ContainerCgroup, EnteredProcess, Guarded, InitWaits } from "./facts.ts"
import { Launch } from "./Launch.ts"
import { peerOf } from "./peerOf.ts"

/** Says "Go", and waits for "Waiting". */
export const prepareInit = Step.make("prepareInit", {
  doc: "let the init go on, and wait until nothing is missing but its program",
  calls: ["sendmsg", "poll", "recvmsg", "waitid", ...Cgroup.shortageCalls],
  requires: [Launch, Channel, ContainerCgroup, EnteredProcess, Guarded],
  provides: InitWaits,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { parent: channel } = yield* Channel
    const peer = yield* peerOf(yield* EnteredProcess)
    yield* whileInitWaits(peer, send(channel, { _tag: "Go" }))
    yield* await_(peer, "Waiting")
    return true as const
  })
})
