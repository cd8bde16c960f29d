/**
 * Make the host's side of the container's networks, now that its network namespace is there.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { createNetworks, networkAdvice, networkCalls } from "../network/createNetworks.ts"
import * as Store from "../state/Store.ts"
import { peerCalls, whileInitWaits } from "./conversation.ts"
import { Channel, EnteredProcess, HostNetworks, StateDirectory } from "./facts.ts"
import { Launch } from "./Launch.ts"

/** Makes the host's side of each network, and writes it down first. The rollback removes it. */
export const connectNetworks = Step.make("connectNetworks", {
  doc: "make the host's side of the container's networks",
  calls: [...new Set([...networkCalls, ...peerCalls, ...Store.storeCalls])],
  requires: [Launch, StateDirectory, Channel, EnteredProcess],
  provides: HostNetworks,
  reversal: "compensated",
  advice: networkAdvice,
  run: Effect.gen(function*() {
    const { record: { container } } = yield* Launch
    const { parent: channel } = yield* Channel
    const { note } = yield* StateDirectory
    const { pid, pidfd, report } = yield* EnteredProcess
    // the loopback interface has no side on the host
    if (container.networks.some(({ strategy }) => strategy !== "loopback")) {
      const intended = container.networks.map((network) => ({ network, links: [] }))
      yield* note((known) => ({ ...known, networks: intended }))
    }
    return yield* whileInitWaits({ channel, pidfd, report }, createNetworks(container.networks, pid))
  })
})
