/**
 * Bring the container's interfaces up, from inside. The parent has already made what they need on the host.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Ahead from "../native/Ahead.ts"
import { InNamespaces, NetworkUp } from "./init/facts.ts"
import { Init } from "./init/Init.ts"
import { ours, strategyOf } from "./network/NetworkStrategies.ts"

/** Lets the strategy of each network initialize it, in the order of the configuration. */
export const setupNetwork = Step.make("setupNetwork", {
  doc: "bring the network interfaces up, with addresses and default gateways",
  calls: ["rtnetlink"],
  requires: [Init, InNamespaces],
  provides: NetworkUp,
  reversal: "irreversible",
  replayable: true,
  advice: {
    EPERM: "changing the network takes CAP_NET_ADMIN in the user namespace that owns the container's network namespace",
    ENODEV: "the interface is not in the container's network namespace: check that the parent's part made it",
    EEXIST: "an interface, address or route of this kind is there already: give each network its own name and address",
    EADDRNOTAVAIL: "the interface refuses this MAC address: give a unicast address that is not all zeros",
    EACCES: "IPv6 is disabled on the interface (net.ipv6.conf.*.disable_ipv6): enable it or leave the IPv6 address out",
    ENETUNREACH: "a gateway must lie in the network of one of the interface's own addresses",
    EHOSTUNREACH: "a gateway must lie in the network of one of the interface's own addresses"
  },
  run: Effect.gen(function*() {
    const { container } = yield* Init
    for (const network of container.networks) {
      const strategy = yield* strategyOf(network)
      const initialize = strategy.initialize(network)
      yield* ours.has(strategy) ? initialize : Ahead.once(initialize)
    }
    return true as const
  })
})
