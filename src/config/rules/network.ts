/** Rules of networks and routes. */
import { isIP } from "node:net"
import { hasNamespace } from "../Container.ts"
import { each, found, isWithin, needs, type Rule, when } from "./Rule.ts"

const isCidr = (text: string, version?: 4 | 6): boolean => {
  const [ip = "", prefix = "", ...rest] = text.split("/")
  const found = isIP(ip)
  return rest.length === 0 && found !== 0 && (version === undefined || found === version) && /^\d{1,3}$/.test(prefix) &&
    Number(prefix) <= (found === 4 ? 32 : 128)
}

const interfaceNameRule = "must be an interface's name: 1 to 15 bytes without `/`, `:` or spaces, and not `.` or `..`"
const isInterfaceName = (name: string): boolean =>
  // oxlint-disable-next-line no-control-regex
  Buffer.byteLength(name) <= 15 && /^[^\s/:\0]+$/.test(name) && name !== "." && name !== ".."

/** Networks have names, addresses and numbers in range, and a network namespace. */
export const networks: Rule = {
  reads: ["namespaces", "networks"],
  check: (container) => [
    ...when(
      container.networks.length > 0 && !hasNamespace(container, "net"),
      () => found("networks", [], undefined, needs("net"))
    ),
    ...each(container.networks, (network, index) => {
      const at = (field: string, value: unknown, rule: string) => found("networks", [index, field], value, rule)
      const interfaceNames = (["bridge", "hostInterfaceName", "temporaryPeerName"] as const).flatMap((field) =>
        when(
          network[field] !== undefined && !isInterfaceName(network[field]),
          () => at(field, network[field], interfaceNameRule)
        )
      )
      // the addresses of a loopback and of a consumer's own strategy are up to these
      const veth = network.strategy !== "veth" ? [] : [
        ...when(!isInterfaceName(network.name), () => at("name", network.name, interfaceNameRule)),
        ...when(
          network.address !== undefined && !isCidr(network.address, 4),
          () => at("address", network.address, "must be an IPv4 address with a prefix: 10.0.0.2/24")
        ),
        ...when(
          network.gateway !== undefined && isIP(network.gateway) !== 4,
          () => at("gateway", network.gateway, "must be an IPv4 address")
        ),
        ...when(
          network.ipv6Address !== undefined && !isCidr(network.ipv6Address, 6),
          () => at("ipv6Address", network.ipv6Address, "must be an IPv6 address with a prefix: fd00::2/64")
        ),
        ...when(
          network.ipv6Gateway !== undefined && isIP(network.ipv6Gateway) !== 6,
          () => at("ipv6Gateway", network.ipv6Gateway, "must be an IPv6 address")
        ),
        ...when(
          network.createBridge !== undefined && !isCidr(network.createBridge.address),
          () => at("createBridge", network.createBridge, "must hold an address with a prefix: 10.0.0.1/24")
        ),
        ...when(
          network.createBridge !== undefined && network.bridge === undefined,
          () => at("bridge", undefined, "must be given, as a bridge is to be made")
        )
      ]
      return [
        ...when(
          network.strategy === "",
          () => at("strategy", "", "must be `loopback`, `veth` or a strategy of your own")
        ),
        ...when(
          container.networks.findIndex(({ name }) => name === network.name) < index,
          () => at("name", network.name, "must not be given twice")
        ),
        ...interfaceNames,
        ...veth,
        ...when(
          network.macAddress !== undefined && !/^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(network.macAddress),
          () => at("macAddress", network.macAddress, "must be a MAC address: 02:42:ac:11:00:02")
        ),
        ...when(
          network.mtu !== undefined && !isWithin(network.mtu, 68, 0x7fffffff),
          () => at("mtu", network.mtu, "must be at least 68")
        ),
        ...when(
          network.txQueueLength !== undefined && network.txQueueLength < 0,
          () => at("txQueueLength", network.txQueueLength, "must not be negative")
        )
      ]
    })
  ]
}

/** Routes have addresses in range, a gateway or an interface, and a network namespace. */
export const routes: Rule = {
  reads: ["namespaces", "routes"],
  check: (container) => [
    ...when(
      container.routes.length > 0 && !hasNamespace(container, "net"),
      () => found("routes", [], undefined, needs("net"))
    ),
    ...each(container.routes, (route, index) => {
      const at = (field: string, value: unknown, rule: string) => found("routes", [index, field], value, rule)
      return [
        ...when(
          route.destination !== undefined && !isCidr(route.destination),
          () => at("destination", route.destination, "must be a network with a prefix: 10.1.0.0/16")
        ),
        ...when(
          route.source !== undefined && isIP(route.source) === 0,
          () => at("source", route.source, "must be an IP address without a prefix")
        ),
        ...when(
          route.gateway !== undefined && isIP(route.gateway) === 0,
          () => at("gateway", route.gateway, "must be an IP address")
        ),
        ...when(
          route.interfaceName !== undefined && !isInterfaceName(route.interfaceName),
          () => at("interfaceName", route.interfaceName, interfaceNameRule)
        ),
        ...when(
          route.gateway === undefined && route.interfaceName === undefined,
          () => at("gateway", undefined, "a route needs a gateway or an interface")
        )
      ]
    })
  ]
}
