/**
 * Addresses and routes of network interfaces, as `net/ipv4/devinet.c`, `fib_frontend.c`, `fib_semantics.c` and
 * `net/ipv6/addrconf.c`, `route.c` of the kernel keep them. @see rtnetlink(7), ip-route(8)
 */
import { RT_SCOPE, RT_TABLE } from "../native/constants.ts"
import * as inet from "../native/inet.ts"
import type * as Rtnetlink from "../native/Rtnetlink.ts"
import { type Machine, refuse } from "./Machine.ts"
import type { Link, Route } from "./State.ts"

// ── addresses as numbers ─────────────────────────────────────────────────────────────────────────────────────────────

interface Ip {
  readonly family: 4 | 6
  readonly value: bigint
}

interface Cidr extends Ip {
  readonly prefix: number
}

const valueOf = (bytes: Uint8Array): bigint => bytes.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n)

const bytesOf = ({ family, value }: Ip): Uint8Array =>
  Uint8Array.from(
    { length: family === 4 ? 4 : 16 },
    (_, index) => Number(value >> BigInt(((family === 4 ? 3 : 15) - index) * 8) & 255n)
  )

/** A text that is known to be an address with a prefix length. */
const read = (text: string): Cidr => {
  const { bytes, family, prefix } = inet.parseCidr(text)!
  return { family, prefix, value: valueOf(bytes) }
}

const readIp = (text: string): Ip => {
  const { bytes, family } = inet.parseAddress(text)!
  return { family, value: valueOf(bytes) }
}

const printIp = (ip: Ip): string => inet.formatAddress(bytesOf(ip))
const print = (cidr: Cidr): string => `${printIp(cidr)}/${cidr.prefix}`

const bitsOf = (family: 4 | 6): number => family === 4 ? 32 : 128

const networkOf = ({ family, prefix, value }: Cidr): Cidr => {
  const host = BigInt(bitsOf(family) - prefix)
  return { family, prefix, value: value >> host << host }
}

const holds = (cidr: Cidr, { family, value }: Ip): boolean =>
  cidr.family === family && networkOf({ ...cidr, value }).value === networkOf(cidr).value

const isMulticast = ({ family, value }: Ip): boolean => family === 6 ? value >> 120n === 0xffn : value >> 28n === 0xen
/** fe80::/10 */
const isLinkLocal = ({ family, value }: Ip): boolean => family === 6 && value >> 118n === 0x3fan
const loopback6 = "::1/128"

const addressesOf = (link: Link, family: 4 | 6): ReadonlyArray<Cidr> =>
  link.addresses.map(read).filter((cidr) => cidr.family === family)

/** IPv4 addresses come before IPv6 addresses in a list (rtnl_dump_all). */
const setAddresses = (m: Machine, id: number, family: 4 | 6, list: ReadonlyArray<Cidr>): void =>
  m.links.update(id, (link) => {
    const [four, six] = family === 4 ? [list, addressesOf(link, 6)] : [addressesOf(link, 4), list]
    return { ...link, addresses: [...four, ...six].map(print) }
  })

const isLoopback = (link: Link): boolean => link.index === 1

const linksOf = (m: Machine, ns: number): ReadonlyArray<Link> => m.links.values().filter((link) => link.ns === ns)
const routesOf = (m: Machine, ns: number): ReadonlyArray<Route> =>
  m.routes.values().filter((route) => route.ns === ns && (route.from ?? 0n) <= m.time)

const dropRoutes = (m: Machine, which: (route: Route) => boolean): void => {
  for (const route of m.routes.values()) if (which(route)) m.routes.delete(route.id)
}

// ── routes that come with addresses ──────────────────────────────────────────────────────────────────────────────────

type Draft = Pick<Route, "family" | "destination" | "link" | "table" | "scope"> & Partial<Route>

/** Adds a route, unless the same one is there. */
const bring = (m: Machine, ns: number, draft: Draft): void => {
  const route = { gateway: null, source: null, automatic: true, ...draft }
  const keys = ["family", "destination", "gateway", "source", "link", "table", "type", "scope", "automatic"] as const
  const twin = m.routes.values().find((other) => other.ns === ns && keys.every((key) => other[key] === route[key]))
  const id = twin?.id ?? m.fresh()
  m.routes.set(id, { ...route, id, ns })
}

const destinationOf = (cidr: Cidr): string | null => cidr.prefix === 0 ? null : print(networkOf(cidr))

/** What an IPv4 address brings: itself as a local route at once, the rest while the link is up (fib_add_ifaddr). */
const bring4 = (m: Machine, link: Link, address: Cidr): void => {
  const { family } = address
  // the first address of a network is its primary, and the source of its routes
  const primary = addressesOf(link, 4).find((other) => other.prefix === address.prefix && holds(other, address))!
  const common = { family, link: link.index, source: printIp(primary) }
  const local = { ...common, table: RT_TABLE.LOCAL, type: "local" as const, scope: RT_SCOPE.HOST }
  bring(m, link.ns, { ...local, destination: `${printIp(address)}/32` })
  const network = networkOf(address)
  if (!link.up || network.value >> 24n === 0n || primary.value !== address.value) return
  if (address.prefix === 32) return
  bring(m, link.ns, {
    ...isLoopback(link) ? local : { ...common, table: RT_TABLE.MAIN, scope: RT_SCOPE.LINK },
    destination: destinationOf(network)
  })
  if (address.prefix >= 31) return
  const last = { family, value: network.value | (1n << BigInt(32 - address.prefix)) - 1n }
  bring(m, link.ns, {
    ...common,
    table: RT_TABLE.LOCAL,
    type: "broadcast",
    scope: RT_SCOPE.LINK,
    destination: `${printIp(last)}/32`
  })
}

/** Takes IPv4 addresses away, and the routes that have one as source (fib_del_ifaddr, fib_sync_down_addr). */
const drop4 = (m: Machine, link: Link): void => {
  const gone = addressesOf(link, 4)
  setAddresses(m, link.id, 4, [])
  dropRoutes(m, (route) => route.ns === link.ns && route.family === 4 && route.link === link.index)
  const left = linksOf(m, link.ns).flatMap((other) => addressesOf(other, 4))
  for (const { family, value } of gone) {
    if (left.some((other) => other.value === value)) continue
    const text = printIp({ family, value })
    dropRoutes(m, (route) => route.ns === link.ns && route.source === text)
  }
}

/** The longest that the kernel looks for another user of an IPv6 address: one probe, at most a second after the start. */
const detection = 2_000_000_000n

const mayHave6 = (link: Link): boolean => link.ipv6Off !== true && link.mtu >= 1280

const network6 = (m: Machine, link: Link, address: Cidr): void =>
  bring(m, link.ns, {
    family: 6,
    link: link.index,
    table: RT_TABLE.MAIN,
    scope: RT_SCOPE.UNIVERSE,
    destination: destinationOf(address)
  })

const local6 = (m: Machine, link: Link, address: Cidr): void => {
  const route = { family: 6, link: link.index, table: RT_TABLE.LOCAL, type: "local", scope: RT_SCOPE.UNIVERSE } as const
  const destination = `${printIp(address)}/128`
  const there = m.routes.values().some((other) =>
    other.ns === link.ns && other.link === link.index && other.destination === destination && other.type === "local"
  )
  if (there) return
  const atOnce = isLoopback(link) || link.nodad?.includes(print(address)) === true
  bring(m, link.ns, { ...route, destination, ...atOnce ? {} : { from: m.time + detection } })
}

const multicast6 = (m: Machine, link: Link): void =>
  bring(m, link.ns, {
    family: 6,
    link: link.index,
    table: RT_TABLE.LOCAL,
    type: "multicast",
    scope: RT_SCOPE.UNIVERSE,
    destination: "ff00::/8"
  })

/** A new IPv6 address goes before those of the same or a smaller scope (ipv6_link_dev_addr). */
const insert6 = (m: Machine, id: number, address: Cidr): void => {
  const scope = (ip: Ip): number => isLinkLocal(ip) || ip.value === 1n ? 2 : 14
  const list = addressesOf(m.links.need(id), 6)
  const at = list.findIndex((other) => scope(other) <= scope(address))
  const place = at < 0 ? list.length : at
  setAddresses(m, id, 6, [...list.slice(0, place), address, ...list.slice(place)])
}

const drop6 = (m: Machine, link: Link): void => {
  setAddresses(m, link.id, 6, [])
  dropRoutes(m, (route) => route.ns === link.ns && route.family === 6 && route.link === link.index)
}

// ── what happens to links ────────────────────────────────────────────────────────────────────────────────────────────

/** A link has gone up: its addresses bring their routes, and lo gets its own (inetdev_event, addrconf_notify). */
export const linkUp = (m: Machine, id: number): void => {
  const link = m.links.need(id)
  if (isLoopback(link) && link.mtu >= 68 && !link.addresses.includes("127.0.0.1/8")) {
    const list = addressesOf(link, 4)
    // of the host's scope, and so before all that have a wider one
    setAddresses(m, id, 4, [read("127.0.0.1/8"), ...list])
    m.links.update(id, (old) => ({ ...old, ownLoopback: true }))
  }
  for (const address of addressesOf(m.links.need(id), 4)) bring4(m, m.links.need(id), address)
  if (!mayHave6(link)) return
  if (isLoopback(link) && !link.addresses.includes(loopback6)) insert6(m, id, read(loopback6))
  for (const address of addressesOf(m.links.need(id), 6)) {
    if (print(address) !== loopback6) network6(m, link, address)
    if (isLoopback(link)) local6(m, link, address)
  }
}

/** A link has a carrier: it gets an IPv6 address from its hardware address, and the others come to be used. */
export const linkReady = (m: Machine, id: number): void => {
  const link = m.links.need(id)
  if (isLoopback(link) || !mayHave6(link)) return
  const own = ownAddress(link.mac)
  if (!link.addresses.includes(print(own))) insert6(m, id, own)
  network6(m, link, own)
  multicast6(m, link)
  for (const address of addressesOf(m.links.need(id), 6)) local6(m, m.links.need(id), address)
}

/** fe80::/64 with the hardware address, ff:fe in its middle and one bit turned (RFC 4291, appendix A). */
const ownAddress = (mac: string): Cidr => {
  const bytes = mac.split(":").map((text) => BigInt(Number.parseInt(text, 16)))
  const eui = [bytes[0]! ^ 2n, bytes[1]!, bytes[2]!, 0xffn, 0xfen, bytes[3]!, bytes[4]!, bytes[5]!]
  return { family: 6, prefix: 64, value: eui.reduce((sum, byte) => sum << 8n | byte, 0xfe80n << 48n) }
}

/** A link has gone down: IPv4 keeps its addresses and the local routes to them, IPv6 nothing (fib_sync_down_dev). */
export const linkDown = (m: Machine, id: number): void => {
  const link = m.links.need(id)
  dropRoutes(
    m,
    ({ family, link: index, ns, type }) => ns === link.ns && index === link.index && family === 4 && type !== "local"
  )
  drop6(m, link)
}

/** A link leaves its namespace. */
export const linkGone = (m: Machine, id: number): void => {
  drop4(m, m.links.need(id))
  drop6(m, m.links.need(id))
  const { ownLoopback: _, nodad: _nodad, ...link } = m.links.need(id)
  m.links.set(id, link)
}

/** IPv6 was turned on or off for a link, or its MTU crossed 1280, which is the least for IPv6; 68 is that for IPv4. */
export const familiesChanged = (m: Machine, id: number, ready: boolean): void => {
  const link = m.links.need(id)
  if (link.mtu < 68) drop4(m, link)
  if (!mayHave6(link)) return drop6(m, link)
  if (link.up) linkUp(m, id)
  if (ready) linkReady(m, id)
}

// ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────

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
  // EEXIST: the same address with the same length on this link (find_matching_ifa)
  if (network.some(({ value }) => value === address.value)) refuse("EEXIST", "ipv4: Address already assigned")
  // 0.0.0.0 is taken and dropped (__inet_insert_ifa)
  if (address.value === 0n) return
  // EINVAL: one network has one scope; that of the kernel's 127.0.0.1/8 is the host's, that of a request's the universe's
  if (link.ownLoopback === true && network.some((other) => print(other) === "127.0.0.1/8")) {
    refuse("EINVAL", "ipv4: Invalid scope value")
  }
  // the first of a network goes behind the other firsts, another one to the end
  const isFirst = (one: Cidr): boolean =>
    list.find((other) => other.prefix === one.prefix && holds(other, one))!.value === one.value
  const place = network.length > 0 ? list.length : list.findLastIndex(isFirst) + 1
  setAddresses(m, link.id, 4, [...list.slice(0, place), address, ...list.slice(place)])
  bring4(m, m.links.need(link.id), address)
}

const addAddress6 = (m: Machine, link: Link, address: Cidr, nodad: boolean, ready: boolean): void => {
  // EINVAL: no IPv6 on a link whose MTU is below 1280 (ipv6_add_dev)
  if (link.mtu < 1280) refuse("EINVAL")
  // EEXIST: the same address on this link, of whatever length (inet6_rtm_newaddr)
  if (addressesOf(link, 6).some(({ value }) => value === address.value)) {
    refuse("EEXIST", "IPv6: Address already assigned")
  }
  // EACCES: IPv6 is off here (addrconf_add_dev); EADDRNOTAVAIL: a group's, nobody's, or ::1 elsewhere than on lo
  if (link.ipv6Off === true && !isLoopback(link)) refuse("EACCES", "IPv6 is disabled on this device")
  if (address.value === 0n || isMulticast(address) || (address.value === 1n && !isLoopback(link))) {
    refuse("EADDRNOTAVAIL")
  }
  if (link.ipv6Off === true) refuse("EACCES", "IPv6 is disabled on this device")
  insert6(m, link.id, address)
  if (nodad) m.links.update(link.id, (old) => ({ ...old, nodad: [...old.nodad ?? [], print(address)] }))
  const now = m.links.need(link.id)
  // what nobody else can have is used at once, also on a link that is down (addrconf_dad_begin)
  if (ready || nodad || isLoopback(now)) local6(m, now, address)
  if (!now.up) return
  network6(m, now, address)
  if (!isLoopback(now)) multicast6(m, now)
}

/** The IPv4 route that an address takes: the table of own addresses first, then main (fib_lookup). */
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

/** Adds a route. The parts of the request are well formed and of one family. */
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
  // EEXIST: IPv4 has one route to a destination, however it came (fib_table_insert); IPv6 one of each metric, and the
  // kernel's own have another (fib6_add_rt2node)
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
  // a local route outlives the link's going down
  if (!out.up) refuse("ENETDOWN", "Device for nexthop is not up")
  // EINVAL: the preferred source is an address of this machine
  if (source !== undefined && lookUp4(m, ns, source)?.type !== "local") refuse("EINVAL", "Invalid prefsrc address")
  return out
}

const throughGateway4 = (m: Machine, ns: number, gateway: Ip, index: number | undefined): Link => {
  // ENETUNREACH: no route on a link itself leads to it; EINVAL: a group's or everybody's address (fib_check_nh_v4_gw)
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
  // EINVAL: the preferred source is an address of this machine that is in use
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
  // EINVAL: an own address, a group's, nobody's; an address of a link without the link; lo
  if (linksOf(m, ns).some((other) => (!isNear || other.id === link?.id) && own(other))) {
    refuse("EINVAL", "Gateway can not be a local address")
  }
  if (isMulticast(gateway) || gateway.value < 2n) refuse("EINVAL", "Invalid gateway address")
  const out = isNear ? link ?? refuse("EINVAL", "Egress device not specified") : nearest6(m, ns, gateway, link)
  return isLoopback(out) ? refuse("EINVAL", "Egress device can not be loopback device for this route") : out
}

/** EHOSTUNREACH: no route on a link itself, on the given one, leads to the gateway (ip6_route_check_nh). */
const nearest6 = (m: Machine, ns: number, gateway: Ip, link: Link | undefined): Link => {
  const prefix = ({ destination }: Route): number => destination === null ? 0 : read(destination).prefix
  const routes = routesOf(m, ns).filter(({ destination, family, table }) =>
    family === 6 && table === RT_TABLE.MAIN && (destination === null || holds(read(destination), gateway))
  ).toSorted((a, b) => prefix(b) - prefix(a))
  const best = routes.filter((route) => prefix(route) === prefix(routes[0]!))
  const route = best.find((one) => link === undefined || one.link === link.index)
  const out = linksOf(m, ns).find(({ index }) => route !== undefined && index === route.link)
  // a route by lo is one that refuses (fib6_is_reject)
  return route === undefined || route.gateway !== null || out === undefined || isLoopback(out)
    ? refuse("EHOSTUNREACH")
    : out
}

// ── a machine that has been up for a while ───────────────────────────────────────────────────────────────────────────

/** A route of a machine that the model begins with. */
export interface Given {
  /** In CIDR notation; `null` for the default route. */
  readonly destination: string | null
  readonly gateway: string | null
  readonly link: number
  readonly family: 4 | 6
}

/**
 * Gives the links of a namespace the routes that come with their addresses, and then the given ones that are not among
 * them.
 */
export const settle = (m: Machine, ns: number, given: ReadonlyArray<Given> = []): void => {
  for (const link of linksOf(m, ns)) {
    for (const address of addressesOf(link, 4)) bring4(m, link, address)
    if (!link.up || !mayHave6(link)) continue
    const six = addressesOf(link, 6)
    const settled = { ...link, nodad: six.map(print) }
    for (const address of six) {
      if (!isLoopback(link)) network6(m, link, address)
      local6(m, settled, address)
    }
    if (!isLoopback(link) && six.length > 0) multicast6(m, link)
  }
  for (const { destination, family, gateway, link } of given) {
    const isThere = m.routes.values().some((route) =>
      route.ns === ns && route.family === family && route.destination === destination && route.link === link
    )
    if (isThere) continue
    const id = m.fresh()
    const scope = gateway === null && family === 4 ? RT_SCOPE.LINK : RT_SCOPE.UNIVERSE
    m.routes.set(id, {
      id,
      ns,
      family,
      destination,
      gateway,
      link,
      scope,
      table: RT_TABLE.MAIN,
      // not among what the kernel's lists tell
      source: null,
      automatic: false
    })
  }
}

/** What a list of routes shows. */
export const listRoutes = (m: Machine): ReadonlyArray<Rtnetlink.Answer> =>
  routesOf(m, m.self.ns.net).map(({ destination, gateway, link, source, table }) => ({
    _tag: "Route",
    destination,
    gateway,
    source,
    index: link,
    table
  }))
