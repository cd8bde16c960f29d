/** Adding addresses and routes, and listing them. @see rtnetlink(7), net/ipv4/fib_semantics.c, net/ipv6/route.c */
import { RT_SCOPE, RT_TABLE } from "../../native/constants.ts"
import type * as Rtnetlink from "../../native/Rtnetlink.ts"
import { type Machine, refuse } from "../Machine.ts"
import {
  addressesOf,
  bring4,
  type Cidr,
  destinationOf,
  holds,
  insert6,
  type Ip,
  isLinkLocal,
  isLoopback,
  isMulticast,
  linksOf,
  local6,
  multicast6,
  network6,
  networkOf,
  print,
  printIp,
  read,
  readIp,
  routesOf,
  setAddresses
} from "../Routes.ts"
import type { Link, Route } from "../State.ts"

// -- requests ---------------------------------------------------------------------------------------------------------

/** `ready`: the link is up and has a carrier. */
export const addAddress = (
  m: Machine,
  link: Link,
  { address, nodad }: { readonly address: string; readonly nodad?: boolean },
  ready: boolean
): void => {
  const cidr = read(address)
  return cidr.family === 4 ? addAddress4(m, link, cidr) : addAddress6(m, link, cidr, nodad === true, ready)
}

const addAddress4 = (m: Machine, link: Link, address: Cidr): void => {
  // ENOBUFS: no IPv4 on a link whose MTU is below 68 (rtm_to_ifaddr)
  if (link.mtu < 68) refuse("ENOBUFS")
  const list = addressesOf(link, 4)
  const network = list.filter((other) => other.prefix === address.prefix && holds(other, address))
  // EEXIST: the link has the same address with the same prefix length (find_matching_ifa)
  if (network.some(({ value }) => value === address.value)) refuse("EEXIST", "ipv4: Address already assigned")
  // 0.0.0.0 is accepted and ignored (__inet_insert_ifa)
  if (address.value === 0n) return
  // EINVAL: a network has one scope. That of the kernel's 127.0.0.1/8 is host, that of a request is universe
  if (link.ownLoopback === true && network.some((other) => print(other) === "127.0.0.1/8")) {
    refuse("EINVAL", "ipv4: Invalid scope value")
  }
  // the first address of a network is inserted after other first ones; others go to the end
  const isFirst = (one: Cidr): boolean =>
    list.find((other) => other.prefix === one.prefix && holds(other, one))!.value === one.value
  const place = network.length > 0 ? list.length : list.findLastIndex(isFirst) + 1
  setAddresses(m, link.id, 4, [...list.slice(0, place), address, ...list.slice(place)])
  bring4(m, m.links.need(link.id), address)
}

const addAddress6 = (m: Machine, link: Link, address: Cidr, nodad: boolean, ready: boolean): void => {
  // EINVAL: no IPv6 on a link whose MTU is below 1280 (ipv6_add_dev)
  if (link.mtu < 1280) refuse("EINVAL")
  // EEXIST: the link has the same address, with any prefix length (inet6_rtm_newaddr)
  if (addressesOf(link, 6).some(({ value }) => value === address.value)) {
    refuse("EEXIST", "IPv6: Address already assigned")
  }
  // EACCES: IPv6 is off on the link (addrconf_add_dev); EADDRNOTAVAIL: a multicast address, ::, or ::1 on a link other than
  // lo
  if (link.ipv6Off === true && !isLoopback(link)) refuse("EACCES", "IPv6 is disabled on this device")
  if (address.value === 0n || isMulticast(address) || (address.value === 1n && !isLoopback(link))) {
    refuse("EADDRNOTAVAIL")
  }
  if (link.ipv6Off === true) refuse("EACCES", "IPv6 is disabled on this device")
  insert6(m, link.id, address)
  if (nodad) m.links.update(link.id, (old) => ({ ...old, nodad: [...old.nodad ?? [], print(address)] }))
  const now = m.links.need(link.id)
  // an address without duplicate detection is used at once, also on a link that is down (addrconf_dad_begin)
  if (ready || nodad || isLoopback(now)) local6(m, now, address)
  if (!now.up) return
  network6(m, now, address)
  if (!isLoopback(now)) multicast6(m, now)
}

/** The IPv4 route to an address: the local table first, then main (fib_lookup). */
const lookUp4 = (
  m: Machine,
  ns: number,
  ip: Ip,
  { link, scope = RT_SCOPE.UNIVERSE }: { readonly scope?: number; readonly link?: number | undefined } = {}
): Route | undefined => {
  const prefix = ({ destination }: Route): number => destination === null ? 0 : read(destination).prefix
  const fits = (route: Route): boolean =>
    route.family === 4 && route.scope >= scope && (link === undefined || route.link === link) &&
    (route.destination === null || holds(read(route.destination), ip))
  const found = (table: number): Route | undefined =>
    routesOf(m, ns).filter((route) => route.table === table && fits(route)).toSorted((a, b) => prefix(b) - prefix(a))[0]
  return found(RT_TABLE.LOCAL) ?? found(RT_TABLE.MAIN)
}

type RouteAdd = Extract<Rtnetlink.Request, { readonly _tag: "RouteAdd" }>

/** Adds a route. The parts of the request are valid, and of one family. */
export const addRoute = (m: Machine, request: RouteAdd): void => {
  const destination = request.destination === undefined ? undefined : read(request.destination)
  const gateway = request.gateway === undefined ? undefined : readIp(request.gateway)
  const source = request.source === undefined ? undefined : readIp(request.source)
  const family = (destination ?? gateway ?? source)!.family
  const ns = m.self.ns.net
  const given = request.link === undefined ? undefined : { index: request.link as number }
  const link = given === undefined ? undefined : linksOf(m, ns).find(({ index }) => index === given.index)
  const parts: Parts = { ns, destination, gateway, source, given, link }
  const out = family === 4 ? nextHop4(m, parts) : nextHop6(m, parts)
  const to = destination === undefined ? null : destinationOf(destination)
  // EEXIST: IPv4 has one route to a destination, however it was added (fib_table_insert); IPv6 has one for each metric, and the
  // kernel's own have a different metric (fib6_add_rt2node)
  const twin = m.routes.values().some((route) =>
    route.ns === ns && route.family === family && route.table === RT_TABLE.MAIN && route.destination === to &&
    (family === 4 || !route.automatic)
  )
  if (twin) refuse("EEXIST")
  const id = m.fresh()
  m.routes.set(id, {
    id,
    ns,
    family,
    destination: to,
    gateway: gateway === undefined || gateway.value === 0n ? null : printIp(gateway),
    source: source === undefined ? null : printIp(source),
    link: out.index,
    table: RT_TABLE.MAIN,
    automatic: false,
    scope: gateway === undefined ? RT_SCOPE.LINK : RT_SCOPE.UNIVERSE
  })
}

interface Parts {
  readonly ns: number
  readonly destination: Cidr | undefined
  readonly gateway: Ip | undefined
  readonly source: Ip | undefined
  readonly given: { readonly index: number } | undefined
  readonly link: Link | undefined
}

/** The link that an IPv4 route leads to (fib_valid_key_len, fib_check_nh, fib_valid_prefsrc). */
const nextHop4 = (m: Machine, { destination, gateway, given, link, ns, source }: Parts): Link => {
  if (destination !== undefined && networkOf(destination).value !== destination.value) {
    refuse("EINVAL", "Invalid prefix for given prefix length")
  }
  const out = gateway === undefined || gateway.value === 0n
    ? link ?? refuse("ENODEV", "Invalid next hop device")
    : throughGateway4(m, ns, gateway, given?.index)
  // ENODEV: the MTU is too small, so the link has lost IPv4 (inetdev_event)
  if (gateway === undefined && out.mtu < 68) refuse("ENODEV", "Invalid next hop device")
  // a local route stays when the link goes down
  if (!out.up) refuse("ENETDOWN", "Device for nexthop is not up")
  // EINVAL: the preferred source is not an address of this machine
  if (source !== undefined && lookUp4(m, ns, source)?.type !== "local") refuse("EINVAL", "Invalid prefsrc address")
  return out
}

const throughGateway4 = (m: Machine, ns: number, gateway: Ip, index: number | undefined): Link => {
  // ENETUNREACH: no link-scope route leads to it; EINVAL: a multicast or broadcast address (fib_check_nh_v4_gw)
  const route = lookUp4(m, ns, gateway, { scope: RT_SCOPE.LINK, link: index }) ??
    refuse("ENETUNREACH", "Nexthop has invalid gateway")
  if (route.type !== undefined && route.type !== "local") refuse("EINVAL", "Nexthop has invalid gateway")
  return linksOf(m, ns).find((other) => other.index === route.link) ?? refuse("ENODEV")
}

/** The link that an IPv6 route leads to (fib6_nh_init, ip6_validate_gw). */
const nextHop6 = (m: Machine, { gateway, given, link, ns, source }: Parts): Link => {
  // ENODEV: no such link, or one without IPv6
  if (given !== undefined && (link === undefined || link.mtu < 1280)) refuse("ENODEV")
  const out = gateway === undefined ? link ?? refuse("ENODEV") : throughGateway6(m, ns, gateway, link)
  if (out.ipv6Off === true) refuse("EACCES", "IPv6 is disabled on nexthop device")
  if (!out.up) refuse("ENETDOWN", "Nexthop device is not up")
  const own = (other: Link): boolean => addressesOf(other, 6).some(({ value }) => value === source!.value)
  // EINVAL: the preferred source is not a usable address of this machine
  if (source !== undefined) {
    const text = `${printIp(source)}/128`
    const used = routesOf(m, ns).some(({ destination, type }) => type === "local" && destination === text)
    if (!used || !linksOf(m, ns).some(own)) refuse("EINVAL", "Invalid source address")
  }
  return out
}

const throughGateway6 = (m: Machine, ns: number, gateway: Ip, link: Link | undefined): Link => {
  const own = (other: Link): boolean => addressesOf(other, 6).some(({ value }) => value === gateway.value)
  const isNear = isLinkLocal(gateway)
  // EINVAL: an address of this machine, a multicast address, ::, a link-local address without a link, or lo
  if (linksOf(m, ns).some((other) => (!isNear || other.id === link?.id) && own(other))) {
    refuse("EINVAL", "Gateway can not be a local address")
  }
  if (isMulticast(gateway) || gateway.value < 2n) refuse("EINVAL", "Invalid gateway address")
  const out = isNear ? link ?? refuse("EINVAL", "Egress device not specified") : nearest6(m, ns, gateway, link)
  return isLoopback(out) ? refuse("EINVAL", "Egress device can not be loopback device for this route") : out
}

/** EHOSTUNREACH: no route without a gateway, on the given link, leads to the gateway (ip6_route_check_nh). */
const nearest6 = (m: Machine, ns: number, gateway: Ip, link: Link | undefined): Link => {
  const prefix = ({ destination }: Route): number => destination === null ? 0 : read(destination).prefix
  const routes = routesOf(m, ns).filter(({ destination, family, table }) =>
    family === 6 && table === RT_TABLE.MAIN && (destination === null || holds(read(destination), gateway))
  ).toSorted((a, b) => prefix(b) - prefix(a))
  const best = routes.filter((route) => prefix(route) === prefix(routes[0]!))
  const route = best.find((one) => link === undefined || one.link === link.index)
  const out = linksOf(m, ns).find(({ index }) => route !== undefined && index === route.link)
  // a route through lo is a reject route (fib6_is_reject)
  return route === undefined || route.gateway !== null || out === undefined || isLoopback(out)
    ? refuse("EHOSTUNREACH")
    : out
}

/** The routes as rtnetlink lists them. */
export const listRoutes = (m: Machine): ReadonlyArray<Rtnetlink.Answer> =>
  routesOf(m, m.self.ns.net).map(({ destination, gateway, link, source, table }) => ({
    _tag: "Route",
    destination,
    gateway,
    source,
    index: link,
    table
  }))
