/**
 * Let the program run, and wait until exec has closed the channel.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { send } from "../channel/channel.ts"
import { programRuns, whileInitWaits } from "./conversation.ts"
import { Channel, ClonedProcess, ContainerCgroup, EnteredProcess, Guarded, Started } from "./facts.ts"
import { Launch } from "./Launch.ts"
import { peerOf } from "./peerOf.ts"

/** Says "Go", waits for "Ready" and for the end of file behind it. */
export const releaseInit = Step.make("releaseInit", {
  doc: "let the program run, and wait until it does",
  calls: ["sendmsg", "poll", "recvmsg", "waitid", ...Cgroup.shortageCalls],
  requires: [Launch, Channel, ContainerCgroup, ClonedProcess, EnteredProcess, Guarded],
  provides: Started,
  reversal: "harmless",
  run: Effect.gen(function*() {
    const { init, record } = yield* Launch
    const { closeParent, parent: channel } = yield* Channel
    const { catchUp, forget } = yield* ClonedProcess
    const entered = yield* EnteredProcess
    const peer = yield* peerOf(entered)
    yield* whileInitWaits(peer, send(channel, { _tag: "Go" }))
    yield* programRuns(peer, init.name, record.process)
    yield* closeParent
    yield* catchUp
    // what the fiber reports while it ends is not about the init
    const events = [...entered.report.events]
    yield* forget
    return { events }
  })
})
