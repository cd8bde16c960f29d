/**
 * Addresses and routes of network interfaces, as `net/ipv4/devinet.c`, `fib_frontend.c`, `fib_semantics.c` and
 * `net/ipv6/addrconf.c`, `route.c` of the kernel keep them. @see rtnetlink(7), ip-route(8)
 */
import { RT_SCOPE, RT_TABLE } from "../native/constants.ts"
import * as inet from "../native/inet.ts"
import type { Machine } from "./Machine.ts"
import type { Link, Route } from "./State.ts"

// -- addresses as numbers ---------------------------------------------------------------------------------------------
export interface Ip {
  readonly family: 4 | 6
  readonly value: bigint
}

export interface Cidr extends Ip {
  readonly prefix: number
}

const valueOf = (bytes: Uint8Array): bigint => bytes.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n)

const bytesOf = ({ family, value }: Ip): Uint8Array =>
  Uint8Array.from(
    { length: family === 4 ? 4 : 16 },
    (_, index) => Number(value >> BigInt(((family === 4 ? 3 : 15) - index) * 8) & 255n)
  )

/** Reads a text that is known to be an address with a prefix length. */
export const read = (text: string): Cidr => {
  const { bytes, family, prefix } = inet.parseCidr(text)!
  return { family, prefix, value: valueOf(bytes) }
}

export const readIp = (text: string): Ip => {
  const { bytes, family } = inet.parseAddress(text)!
  return { family, value: valueOf(bytes) }
}

export const printIp = (ip: Ip): string => inet.formatAddress(bytesOf(ip))

export const print = (cidr: Cidr): string => `${printIp(cidr)}/${cidr.prefix}`

const bitsOf = (family: 4 | 6): number => family === 4 ? 32 : 128

export const networkOf = ({ family, prefix, value }: Cidr): Cidr => {
  const host = BigInt(bitsOf(family) - prefix)
  return { family, prefix, value: value >> host << host }
}

export const holds = (cidr: Cidr, { family, value }: Ip): boolean =>
  cidr.family === family && networkOf({ ...cidr, value }).value === networkOf(cidr).value

export const isMulticast = ({ family, value }: Ip): boolean =>
  family === 6 ? value >> 120n === 0xffn : value >> 28n === 0xen

/** fe80::/10 */
export const isLinkLocal = ({ family, value }: Ip): boolean => family === 6 && value >> 118n === 0x3fan

const loopback6 = "::1/128"

export const addressesOf = (link: Link, family: 4 | 6): ReadonlyArray<Cidr> =>
  link.addresses.map(read).filter((cidr) => cidr.family === family)

/** IPv4 addresses come before IPv6 addresses in a list (rtnl_dump_all). */
export const setAddresses = (m: Machine, id: number, family: 4 | 6, list: ReadonlyArray<Cidr>): void =>
  m.links.update(id, (link) => {
    const [four, six] = family === 4 ? [list, addressesOf(link, 6)] : [addressesOf(link, 4), list]
    return { ...link, addresses: [...four, ...six].map(print) }
  })

export const isLoopback = (link: Link): boolean => link.index === 1

export const linksOf = (m: Machine, ns: number): ReadonlyArray<Link> =>
  m.links.values().filter((link) => link.ns === ns)

export const routesOf = (m: Machine, ns: number): ReadonlyArray<Route> =>
  m.routes.values().filter((route) => route.ns === ns && (route.from ?? 0n) <= m.time)

const dropRoutes = (m: Machine, which: (route: Route) => boolean): void => {
  for (const route of m.routes.values()) if (which(route)) m.routes.delete(route.id)
}

// -- routes that come with addresses ----------------------------------------------------------------------------------
type Draft = Pick<Route, "family" | "destination" | "link" | "table" | "scope"> & Partial<Route>

/** Adds a route, unless the same one is there. */
const bring = (m: Machine, ns: number, draft: Draft): void => {
  const route = { gateway: null, source: null, automatic: true, ...draft }
  const keys = ["family", "destination", "gateway", "source", "link", "table", "type", "scope", "automatic"] as const
  const twin = m.routes.values().find((other) => other.ns === ns && keys.every((key) => other[key] === route[key]))
  const id = twin?.id ?? m.fresh()
  m.routes.set(id, { ...route, id, ns })
}

export const destinationOf = (cidr: Cidr): string | null => cidr.prefix === 0 ? null : print(networkOf(cidr))

/** The routes of an IPv4 address: its local route at once, the others while the link is up (fib_add_ifaddr). */
export const bring4 = (m: Machine, link: Link, address: Cidr): void => {
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

/** Removes IPv4 addresses, and the routes that have one as source (fib_del_ifaddr, fib_sync_down_addr). */
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

/**
 * How long duplicate address detection takes at most: one probe, at most a second after the start, and a second for
 * answers.
 */
const detection = 2_000_000_000n

const mayHave6 = (link: Link): boolean => link.ipv6Off !== true && link.mtu >= 1280

export const network6 = (m: Machine, link: Link, address: Cidr): void =>
  bring(m, link.ns, {
    family: 6,
    link: link.index,
    table: RT_TABLE.MAIN,
    scope: RT_SCOPE.UNIVERSE,
    destination: destinationOf(address)
  })

export const local6 = (m: Machine, link: Link, address: Cidr): void => {
  const route = { family: 6, link: link.index, table: RT_TABLE.LOCAL, type: "local", scope: RT_SCOPE.UNIVERSE } as const
  const destination = `${printIp(address)}/128`
  const there = m.routes.values().some((other) =>
    other.ns === link.ns && other.link === link.index && other.destination === destination && other.type === "local"
  )
  if (there) return
  const atOnce = isLoopback(link) || link.nodad?.includes(print(address)) === true
  bring(m, link.ns, { ...route, destination, ...atOnce ? {} : { from: m.time + detection } })
}

export const multicast6 = (m: Machine, link: Link): void =>
  bring(m, link.ns, {
    family: 6,
    link: link.index,
    table: RT_TABLE.LOCAL,
    type: "multicast",
    scope: RT_SCOPE.UNIVERSE,
    destination: "ff00::/8"
  })

/** A new IPv6 address goes before those of the same or a smaller scope (ipv6_link_dev_addr). */
export const insert6 = (m: Machine, id: number, address: Cidr): void => {
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

// -- what happens to links --------------------------------------------------------------------------------------------

/** A link has gone up: the routes of its addresses are added, and lo gets its own (inetdev_event, addrconf_notify). */
export const linkUp = (m: Machine, id: number): void => {
  const link = m.links.need(id)
  if (isLoopback(link) && link.mtu >= 68 && !link.addresses.includes("127.0.0.1/8")) {
    const list = addressesOf(link, 4)
    // it has the host's scope, so it precedes all addresses with a wider one
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

/** A link has a carrier: it gets an IPv6 address from its hardware address, and its other IPv6 addresses become usable. */
export const linkReady = (m: Machine, id: number): void => {
  const link = m.links.need(id)
  if (isLoopback(link) || !mayHave6(link)) return
  const own = ownAddress(link.mac)
  if (!link.addresses.includes(print(own))) insert6(m, id, own)
  network6(m, link, own)
  multicast6(m, link)
  for (const address of addressesOf(m.links.need(id), 6)) local6(m, m.links.need(id), address)
}

/** fe80::/64 with the hardware address, with ff:fe in its middle and one bit inverted (RFC 4291, appendix A). */
const ownAddress = (mac: string): Cidr => {
  const bytes = mac.split(":").map((text) => BigInt(Number.parseInt(text, 16)))
  const eui = [bytes[0]! ^ 2n, bytes[1]!, bytes[2]!, 0xffn, 0xfen, bytes[3]!, bytes[4]!, bytes[5]!]
  return { family: 6, prefix: 64, value: eui.reduce((sum, byte) => sum << 8n | byte, 0xfe80n << 48n) }
}

/** A link has gone down: IPv4 keeps the addresses and their local routes; IPv6 keeps nothing (fib_sync_down_dev). */
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

// -- a machine that has been up for a while ---------------------------------------------------------------------------

/** A route of a machine that the model begins with. */
export interface Given {
  /** In CIDR notation; `null` for the default route. */
  readonly destination: string | null
  readonly gateway: string | null
  readonly link: number
  readonly family: 4 | 6
}

/** Adds the routes that the addresses of a namespace's links imply, and then the given ones that are not among them. */
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
      // the kernel does not list it
      source: null,
      automatic: false
    })
  }
}
