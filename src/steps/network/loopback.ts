/**
 * The loopback interface of a new network namespace: it is there, with its addresses, and only down.
 *
 * @category networks
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { request } from "./link.ts"
import type { Strategy } from "./Strategy.ts"

/** Takes `lo` up. Whatever addresses its configuration names, the kernel's are the ones it has. */
export const loopback: Strategy = {
  name: "loopback",
  create: (network) => Effect.succeed({ network, links: [] }),
  initialize: () => request({ _tag: "LinkSet", link: "lo", up: true }),
  remove: () => Effect.void
}
