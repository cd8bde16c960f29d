/**
 * Add the container's routes to its main table.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Route } from "../config/Container.ts"
import { given } from "../engine/given.ts"
import * as Step from "../engine/Step.ts"
import { formatCidr, hasHostBits, networkOf, parseAddress, parseCidr } from "../native/inet.ts"
import { sys } from "../native/Kernel.ts"
import { NetworkUp } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** A route that makes no sense, which is found before the kernel is asked. */
export class RouteError extends Data.TaggedError("RouteError")<{
  /** Its position in the configuration, from 0. */
  readonly index: number
  readonly problem: string
  readonly advice?: string
}> {
  override get message(): string {
    return `routes[${this.index}]: ${this.problem}`
  }
}

/** Checks that something is given, then destination, source and gateway; reports the first failure. */
const check = (route: Route, index: number): Effect.Effect<void, RouteError> => {
  const fail = (problem: string, advice?: string): Effect.Effect<never, RouteError> =>
    Effect.fail(new RouteError({ index, problem, ...given({ advice }) }))
  const { destination, gateway, interfaceName, source } = route
  if (destination === undefined && source === undefined && gateway === undefined) {
    return fail("one of destination, source or gateway must not be blank")
  }
  const network = destination === undefined ? undefined : parseCidr(destination)
  if (destination !== undefined && network === undefined) {
    return fail(`destination CIDR ${destination} couldn't be parsed`)
  }
  // the kernel masks IPv6 destinations, and refuses IPv4 ones; to mask them here would be to guess what was meant
  if (network?.family === 4 && hasHostBits(network)) {
    return fail(
      `destination CIDR ${destination} has bits set behind its prefix`,
      `write ${formatCidr(networkOf(network))} for the network, or a prefix of /32 for the one host`
    )
  }
  const from = source === undefined ? undefined : parseAddress(source)
  if (source !== undefined && from === undefined) return fail(`source IP ${source} couldn't be parsed`)
  if (network !== undefined && from !== undefined && network.family !== from.family) {
    return fail("source and destination ip were not the same IP family")
  }
  const via = gateway === undefined ? undefined : parseAddress(gateway)
  if (gateway !== undefined && via === undefined) return fail(`gateway IP ${gateway} couldn't be parsed`)
  if (via !== undefined && via.family !== (network ?? from ?? via).family) {
    return fail("gateway, source, and destination ip were not the same IP family")
  }
  if (interfaceName === undefined && gateway === undefined) {
    return fail("without a gateway the interface must be named", "set interface_name")
  }
  return Effect.void
}

/** Adds each route, in the order of the configuration. */
export const setupRoute = Step.make("setupRoute", {
  doc: "add the routes",
  calls: ["rtnetlink"],
  requires: [Init, NetworkUp],
  reversal: "irreversible",
  deterministic: true,
  advice: {
    EPERM: "adding a route takes CAP_NET_ADMIN in the user namespace that owns the container's network namespace",
    ENODEV: "no interface of this name is in the container: it must be the name of one of its networks",
    EEXIST: "a route to this destination is there already; the networks' own gateways count too",
    ENETUNREACH: "the gateway must lie in a network that an interface which is up reaches directly",
    EHOSTUNREACH: "the gateway must lie in a network that an interface which is up reaches directly",
    ENETDOWN: "the interface is down",
    EINVAL: "the source must be an address of one of the container's interfaces"
  },
  run: Effect.gen(function*() {
    yield* NetworkUp
    const { container } = yield* Init
    for (const [index, route] of container.routes.entries()) {
      yield* check(route, index)
      const { interfaceName, ...fields } = route
      const link = interfaceName === undefined ? {} : { link: interfaceName }
      yield* sys.rtnetlink({ request: { _tag: "RouteAdd", ...fields, ...link } })
    }
  })
})
