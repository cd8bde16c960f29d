/**
 * A pair of connected interfaces: one end on a bridge of the host, the other one in the container.
 *
 * The inner end is made directly in the container's network namespace, so the host never sees it: there is no race for its
 * name, and it can't stay behind on the host.
 *
 * @see veth(4)
 * @category networks
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Network } from "../../config/Container.ts"
import { given } from "../../engine/given.ts"
import * as Step from "../../engine/Step.ts"
import { parseAddress, parseCidr } from "../../native/inet.ts"
import { sys } from "../../native/Kernel.ts"
import { ensureBridge, removeBridge } from "./bridge.ts"
import { interfaceNameProblem, temporaryName } from "./interfaceName.ts"
import { type HostLink, ifThere, linkOf, removeLink, request } from "./link.ts"
import { withBridges } from "./lock.ts"
import { NetworkError } from "./NetworkError.ts"
import type { Created, Strategy, Target } from "./Strategy.ts"

const fail = (network: Network, field: keyof Network, problem: string, advice?: string): NetworkError =>
  new NetworkError({
    strategy: network.strategy,
    network: network.name,
    field,
    problem,
    ...given({ advice })
  })

// -- what can be told without the kernel ------------------------------------------------------------------------------

const macProblem = (mac: string): string | undefined => {
  if (!/^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(mac)) return `"${mac}" is not six hexadecimal bytes with colons`
  return (Number.parseInt(mac.slice(0, 2), 16) & 1) === 1 ? `Multicast MAC Address is not supported: ${mac}` : undefined
}

const cidrProblem = (family: 4 | 6) => (text: string): string | undefined =>
  parseCidr(text)?.family === family ? undefined : `"${text}" is not an IPv${family} address in CIDR notation`

const addressProblem = (family: 4 | 6) => (text: string): string | undefined =>
  parseAddress(text)?.family === family ? undefined : `"${text}" is not an IPv${family} address`

const rules: ReadonlyArray<readonly [keyof Network, (value: string) => string | undefined]> = [
  ["name", interfaceNameProblem],
  ["temporaryPeerName", interfaceNameProblem],
  ["hostInterfaceName", interfaceNameProblem],
  ["bridge", interfaceNameProblem],
  ["macAddress", macProblem],
  ["address", cidrProblem(4)],
  ["ipv6Address", cidrProblem(6)],
  ["gateway", addressProblem(4)],
  ["ipv6Gateway", addressProblem(6)]
]

/** Fails with the first field that breaks its rule, before anything is made. */
const check = (network: Network): Effect.Effect<void, NetworkError> => {
  for (const [field, rule] of rules) {
    const value = network[field]
    const problem = typeof value === "string" ? rule(value) : undefined
    if (problem !== undefined) return Effect.fail(fail(network, field, problem))
  }
  const bridgeAddress = network.createBridge?.address
  return bridgeAddress === undefined || parseCidr(bridgeAddress) !== undefined
    ? Effect.void
    : Effect.fail(fail(network, "createBridge", `"${bridgeAddress}" is not an address in CIDR notation`))
}

// -- the host's side --------------------------------------------------------------------------------------------------

/** The inner end's name until `initialize` gives it its own. */
const peerOf = (network: Network): string => network.temporaryPeerName ?? network.name

/** Makes the pair; fails with `EEXIST`, and changes nothing, if an interface has one of the names. */
const makePair = (network: Network, name: string, target: Target) =>
  Effect.uninterruptible(Effect.gen(function*() {
    yield* request({
      _tag: "VethAdd",
      name,
      peer: peerOf(network),
      peerNetnsPid: target.initPid,
      ...given({ txQueueLength: network.txQueueLength })
    })
    yield* Step.onRollback(ifThere(request({ _tag: "LinkDelete", link: name })))
    const { index, kind } = yield* linkOf(name)
    const link: HostLink = { name, index, kind }
    return link
  }))

const create = Effect.fnUntraced(function*(network: Network, target: Target) {
  yield* check(network)
  const { bridge: bridgeName } = network
  if (bridgeName === undefined) {
    return yield* fail(network, "bridge", "bridge is not specified", "name the bridge on the host to connect to")
  }
  const name = network.hostInterfaceName ?? temporaryName(yield* sys.getrandom({ count: 4 }))
  // under the lock until the port is on the bridge: before that, another run may find the bridge unused
  return yield* withBridges(Effect.gen(function*() {
    const bridge = yield* ensureBridge(network, bridgeName)
    const link = yield* makePair(network, name, target)
    yield* request({
      _tag: "LinkSet",
      link: link.index,
      master: bridge.link.index,
      ...given({ mtu: network.mtu }),
      up: true
    })
    // the last container on a bridge with our mark removes it
    const created: Created = {
      network: { ...network, hostInterfaceName: name },
      links: network.createBridge !== undefined && bridge.ours ? [bridge.link, link] : [link]
    }
    return created
  }))
})

const remove = Effect.fnUntraced(function*({ links, network }: Created) {
  if (links.length === 0 && network.createBridge !== undefined && network.bridge !== undefined) {
    // the start was interrupted: the pair ends with the container's network namespace, but a bridge that it made does not
    const { index, kind, name } = (yield* ifThere(linkOf(network.bridge))) ?? {}
    if (kind === "bridge") yield* removeBridge({ index: index!, kind, name: name! })
    return
  }
  // the pair first, since a bridge that still has a port stays
  for (const link of links.toReversed()) {
    yield* link.kind === "bridge" ? removeBridge(link) : removeLink(link)
  }
})

// -- the container's side ---------------------------------------------------------------------------------------------

const initialize = Effect.fnUntraced(function*(network: Network) {
  yield* check(network)
  const { index, name } = yield* linkOf(peerOf(network))
  // while it is down, which a rename requires; only what the configuration names is changed
  const changes = {
    ...(name === network.name ? {} : { name: network.name }),
    ...given({ mac: network.macAddress, mtu: network.mtu })
  }
  if (Object.keys(changes).length > 0) yield* request({ _tag: "LinkSet", link: index, ...changes })
  if (network.address !== undefined) yield* request({ _tag: "AddressAdd", link: index, address: network.address })
  if (network.ipv6Address !== undefined) {
    // the configuration's author knows that the addresses are free; a tentative one could not be bound for a second or two
    yield* request({ _tag: "AddressAdd", link: index, address: network.ipv6Address, nodad: true })
  }
  yield* request({ _tag: "LinkSet", link: index, up: true })
  // a route needs its interface up
  for (const gateway of [network.gateway, network.ipv6Gateway]) {
    if (gateway !== undefined) yield* request({ _tag: "RouteAdd", gateway, link: index })
  }
})

/** A pair of interfaces, one end on a bridge of the host. */
export const veth: Strategy = { name: "veth", create, initialize, remove }
