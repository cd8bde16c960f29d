// @ts-check
/**
 * A kind of network of your own: a cable from the host straight into the container, without a bridge.
 *
 *     sudo runfx run --flow examples/pointToPoint.mjs --network point-to-point -- ping -c 1 10.77.0.0
 *
 * Both ends share a network of two addresses (RFC 3021); the container's default route leads to the host. A container
 * that was started with `--detach` is removed with the same flow: `runfx delete --flow examples/pointToPoint.mjs ID`.
 */
import * as Effect from "effect/Effect"
import * as Step from "runfx/engine/Step"
import { sys } from "runfx/native/Kernel"
import { ifThere, linkOf, removeLink, request } from "runfx/steps/network/link"

const host = "10.77.0.0"
const container = "10.77.0.1"

/** @type {import("runfx/steps/network/Strategy").Strategy} */
const pointToPoint = {
  name: "point-to-point",

  // on the host, while the container's first process waits. What is made is taken back if anything fails from here on
  create: (network, { initPid }) =>
    Effect.gen(function*() {
      const random = yield* sys.getrandom({ count: 4 })
      const name = `p2p${Buffer.from(random).toString("hex")}`
      yield* request({ _tag: "VethAdd", name, peer: network.name, peerNetnsPid: initPid })
      yield* Step.onRollback(ifThere(request({ _tag: "LinkDelete", link: name })))
      const { index, kind } = yield* linkOf(name)
      yield* request({ _tag: "AddressAdd", link: index, address: `${host}/31` })
      yield* request({ _tag: "LinkSet", link: index, up: true })
      return { network: { ...network, hostInterfaceName: name }, links: [{ name, index, kind }] }
    }),

  // in the container's network namespace
  initialize: ({ name }) =>
    Effect.gen(function*() {
      yield* request({ _tag: "AddressAdd", link: name, address: `${container}/31` })
      yield* request({ _tag: "LinkSet", link: name, up: true })
      yield* request({ _tag: "RouteAdd", gateway: host, link: name })
    }),

  // on the host, at the end: with one end of a cable the other one goes
  remove: ({ links }) => Effect.forEach(links, removeLink, { discard: true })
}

export const strategies = [pointToPoint]
