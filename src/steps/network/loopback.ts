/**
 * The loopback interface of a new network namespace. The kernel makes it, but leaves it down, and gives it its addresses
 * (127.0.0.1 and ::1) when it is brought up.
 *
 * @category networks
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { request } from "./link.ts"
import type { Strategy } from "./Strategy.ts"

/** Brings `lo` up. It has the kernel's addresses, and none of the configuration. */
export const loopback: Strategy = {
  name: "loopback",
  create: (network) => Effect.succeed({ network, links: [] }),
  initialize: () => request({ _tag: "LinkSet", link: "lo", up: true }),
  remove: () => Effect.void
}
