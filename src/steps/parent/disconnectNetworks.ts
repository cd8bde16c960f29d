/**
 * Remove the host's side of a stopped container's networks.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { networkCalls, removeNetworks } from "../network/createNetworks.ts"
import { Stopped } from "./facts.ts"
import { Removal } from "./Removal.ts"

/** Removes the host's side of the networks. */
export const disconnectNetworks = Step.make("disconnectNetworks", {
  doc: "remove the host's side of the container's networks",
  calls: [...networkCalls],
  requires: [Removal, Stopped],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { state } = yield* Removal
    yield* removeNetworks(state.networks)
  })
})
