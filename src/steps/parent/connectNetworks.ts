/** Make the host's side of the container's networks, now that its network namespace is there. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { createNetworks, networkAdvice, networkCalls } from "../createNetworks.ts"
import type { Created } from "../network/Strategy.ts"
import { peerCalls, whileInitWaits } from "./conversation.ts"
import { Channel, EnteredProcess } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** What the networks added to the host: what is to be removed at the end. */
export class HostNetworks extends Context.Service<HostNetworks, ReadonlyArray<Created>>()("runfx/HostNetworks") {}

/** Makes the host's side of each network; on rollback it is removed. */
export const connectNetworks = Step.make("connectNetworks", {
  doc: "make the host's side of the container's networks",
  calls: [...networkCalls, ...peerCalls],
  requires: [Launch, Channel, EnteredProcess],
  provides: HostNetworks,
  reversal: "compensated",
  advice: networkAdvice,
  run: Effect.gen(function*() {
    const { container, patience } = yield* Launch
    const { parent: channel } = yield* Channel
    const { pid, pidfd } = yield* EnteredProcess
    return yield* whileInitWaits({ channel, pidfd, patience }, createNetworks(container.networks, pid))
  })
})
