/**
 * Network namespaces: links, addresses, routes, as rtnetlink(7) and netdevice(7) handle them.
 */
import type * as Rtnetlink from "../native/Rtnetlink.ts"
import { CAP, nsCapable, processByNumber } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { type Machine, refuse } from "./Machine.ts"
import { namespaceOf } from "./Nodes.ts"
import type { Link, Route } from "./State.ts"

const IFF = { UP: 1, BROADCAST: 2, LOOPBACK: 8, RUNNING: 0x40, MULTICAST: 0x1000, LOWER_UP: 0x10000 }
const mainTable = 254

// ── addresses ────────────────────────────────────────────────────────────────────────────────────────────────────────

interface Cidr {
  readonly family: 4 | 6
  readonly value: bigint
  readonly prefix: number
}

/** An address, as a number. `undefined` where the text is none. */
export const parseIp = (text: string): { readonly family: 4 | 6; readonly value: bigint } | undefined => {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (four !== null) {
    const bytes = four.slice(1).map(Number)
    if (bytes.some((byte) => byte > 255)) return undefined
    return { family: 4, value: bytes.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n) }
  }
  if (!/^[\da-f:.]+$/i.test(text) || text.split("::").length > 2) return undefined
  const groups = (half: string): ReadonlyArray<string> | undefined => {
    if (half === "") return []
    const out: Array<string> = []
    for (const part of half.split(":")) {
      if (part.includes(".")) {
        const low = parseIp(part)
        if (low === undefined || low.family !== 4) return undefined
        out.push((low.value >> 16n).toString(16), (low.value & 0xffffn).toString(16))
      } else if (/^[\da-f]{1,4}$/i.test(part)) out.push(part)
      else return undefined
    }
    return out
  }
  const [left, right] = text.split("::")
  const [head, tail] = [groups(left ?? ""), groups(right ?? "")]
  if (head === undefined || tail === undefined) return undefined
  const missing = 8 - head.length - tail.length
  if (text.includes("::") ? missing < 1 : missing !== 0) return undefined
  const all = [...head, ...Array.from({ length: missing }, () => "0"), ...tail]
  return { family: 6, value: all.reduce((sum, group) => sum << 16n | BigInt(`0x${group}`), 0n) }
}

const parseCidr = (text: string): Cidr | undefined => {
  const [address, prefix] = text.split("/")
  const ip = parseIp(address ?? "")
  if (ip === undefined || prefix === undefined || !/^\d+$/.test(prefix)) return undefined
  return Number(prefix) > (ip.family === 4 ? 32 : 128) ? undefined : { ...ip, prefix: Number(prefix) }
}

const bitsOf = (family: 4 | 6): number => family === 4 ? 32 : 128
const network = (value: bigint, prefix: number, family: 4 | 6): bigint => {
  const host = BigInt(bitsOf(family) - prefix)
  return value >> host << host
}
const contains = (cidr: Cidr, ip: { readonly family: 4 | 6; readonly value: bigint }): boolean =>
  cidr.family === ip.family && network(cidr.value, cidr.prefix, ip.family) === network(ip.value, cidr.prefix, ip.family)

const printIp = ({ family, value }: { readonly family: 4 | 6; readonly value: bigint }): string => {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String(value >> shift & 255n)).join(".")
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index) & 0xffffn).toString(16))
  const text = groups.join(":")
  const longest =
    [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].map(([run]) => run).toSorted((a, b) => b.length - a.length)[0]
  if (longest === undefined) return text
  const at = text.indexOf(longest)
  return `${text.slice(0, at)}::${text.slice(at + longest.length).replace(/^:/, "")}`
}

// ── namespaces ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A new network namespace: `lo`, down (network_namespaces(7)). */
export const makeNamespace = (m: Machine, owner: number): number => {
  const id = m.fresh()
  m.namespaces.set(id, { id, owner, type: "net", nextIndex: 2 })
  const lo = m.fresh()
  m.links.set(lo, {
    id: lo,
    ns: id,
    index: 1,
    name: "lo",
    kind: "",
    up: false,
    mtu: 65536,
    mac: "00:00:00:00:00:00",
    txQueueLength: 1000,
    addresses: []
  })
  return id
}

/** Virtual links end with their namespace, and a veth takes its peer along; physical ones return to the first. */
export const endNamespace = (m: Machine, ns: number): void => {
  const first = m.namespaces.values().find((other) => other.type === "net")!.id
  for (const link of m.links.values()) {
    if (link.ns !== ns) continue
    if (link.kind === "" && link.index !== 1) m.links.set(link.id, { ...link, ns: first, up: false, addresses: [] })
    else remove(m, link)
  }
  for (const route of m.routes.values()) if (route.ns === ns) m.routes.delete(route.id)
}

const remove = (m: Machine, link: Link): void => {
  for (const route of m.routes.values()) {
    if (route.ns === link.ns && route.link === link.index) m.routes.delete(route.id)
  }
  m.links.delete(link.id)
  for (const other of m.links.values()) {
    if (other.ns === link.ns && other.master === link.index) {
      const { master: _, ...free } = other
      m.links.set(other.id, free)
    }
  }
  const peer = link.peer === undefined ? undefined : m.links.get(link.peer)
  if (peer !== undefined) remove(m, peer)
}

// ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const linksOf = (m: Machine): ReadonlyArray<Link> => m.links.values().filter(({ ns }) => ns === m.self.ns.net)

/** ENODEV: no such link. */
const find = (m: Machine, link: Rtnetlink.Link): Link =>
  linksOf(m).find(({ index, name }) => typeof link === "number" ? index === link : name === link) ?? refuse("ENODEV")

/** IFNAMSIZ is 16 with the end; EINVAL for what dev_valid_name refuses; ERANGE for what the attribute does not hold. */
const validName = (name: string): void => {
  if (name.length >= 16) refuse("ERANGE", "Attribute failed policy validation")
  if (name === "" || name === "." || name === ".." || /[/:\s]/.test(name)) refuse("EINVAL")
}

const newIndex = (m: Machine, ns: number): number => {
  const net = m.namespace("net", ns)
  m.namespaces.set(ns, { ...net, nextIndex: net.nextIndex + 1 })
  return net.nextIndex
}

const macOf = (id: number): string =>
  ["02", ...[24, 18, 12, 6, 0].map((shift) => (id >> shift & 63).toString(16).padStart(2, "0"))].join(":")

const add = (m: Machine, name: string, kind: string, txQueueLength: number, peer?: number): number => {
  const id = m.fresh()
  const ns = m.self.ns.net
  m.links.set(id, {
    id,
    ns,
    index: newIndex(m, ns),
    name,
    kind,
    up: false,
    mtu: 1500,
    mac: macOf(id),
    txQueueLength,
    addresses: [],
    ...peer === undefined ? {} : { peer }
  })
  return id
}

const answer = (m: Machine, link: Link): Rtnetlink.Answer => {
  const peerUp = link.peer === undefined || m.links.get(link.peer)?.up === true
  const carrier = link.up && peerUp
  return {
    _tag: "Link",
    index: link.index,
    name: link.name,
    flags: (link.name === "lo" && link.kind === "" ? IFF.LOOPBACK : IFF.BROADCAST | IFF.MULTICAST) |
      (link.up ? IFF.UP : 0) | (carrier ? IFF.RUNNING | IFF.LOWER_UP : 0),
    mtu: link.mtu,
    mac: link.mac,
    master: link.master ?? null,
    kind: link.kind,
    alias: link.alias ?? ""
  }
}

const set = (m: Machine, request: Extract<Rtnetlink.Request, { readonly _tag: "LinkSet" }>): void => {
  let link = find(m, request.link)
  const change = (fields: Partial<Link>): void => {
    link = { ...link, ...fields }
    m.links.set(link.id, link)
  }
  const target = request.netnsPid === undefined
    ? request.netnsFd === undefined ? undefined : netnsOfFd(m, request.netnsFd)
    : (processByNumber(m, request.netnsPid) ?? refuse("ESRCH")).ns.net
  if (target !== undefined) {
    // EPERM: CAP_NET_ADMIN also in the owner of the target; EINVAL: lo stays where it is (netns local)
    if (!nsCapable(m, m.namespaces.need(target).owner, CAP.NET_ADMIN)) refuse("EPERM")
    if (link.index === 1) refuse("EINVAL", "The interface netns is immutable")
    const name = request.name ?? link.name
    if (m.links.values().some((other) => other.ns === target && other.name === name)) refuse("EEXIST")
    // the move takes it down and takes addresses, routes and bridge membership away (network_namespaces(7))
    for (const route of m.routes.values()) {
      if (route.ns === link.ns && route.link === link.index) m.routes.delete(route.id)
    }
    const taken = m.links.values().some((other) => other.ns === target && other.index === link.index)
    const { master: _, ...free } = link
    link = { ...free, ns: target, index: taken ? newIndex(m, target) : link.index, up: false, addresses: [] }
    m.links.set(link.id, link)
  }
  if (request.mac !== undefined) {
    // EADDRNOTAVAIL: multicast or zero (eth_prepare_mac_addr_change)
    const first = Number.parseInt(request.mac.split(":")[0] ?? "", 16)
    if (!/^[\da-f]{2}(?::[\da-f]{2}){5}$/i.test(request.mac)) refuse("EINVAL")
    if ((first & 1) !== 0 || /^[0:]+$/.test(request.mac)) refuse("EADDRNOTAVAIL")
    change({ mac: request.mac.toLowerCase() })
  }
  if (request.mtu !== undefined) {
    // EINVAL: outside of 68 to 65535, for veth and bridge
    if (request.mtu < 68) refuse("EINVAL", "mtu less than device minimum")
    if (request.mtu > (link.index === 1 ? 2 ** 31 - 1 : 65535)) refuse("EINVAL", "mtu greater than device maximum")
    change({ mtu: request.mtu })
  }
  if (request.alias !== undefined) {
    // EINVAL: IFALIASZ is 256
    if (request.alias.length > 255) refuse("EINVAL")
    change({ alias: request.alias })
  }
  if (request.name !== undefined && request.name !== link.name) {
    validName(request.name)
    if (m.links.values().some((other) => other.ns === link.ns && other.name === request.name)) refuse("EEXIST")
    change({ name: request.name })
  }
  if (request.master !== undefined) {
    const { master: _, ...free } = link
    if (request.master === 0) m.links.set(link.id, link = free)
    else {
      const bridge = linksOf(m).find(({ index }) => index === request.master) ?? refuse("EINVAL")
      // EOPNOTSUPP: not a bridge; ELOOP: a bridge in a bridge (br_add_if)
      if (bridge.kind !== "bridge") refuse("ENOTSUP")
      if (link.kind === "bridge") refuse("ELOOP", "Can not enslave a bridge to a bridge")
      if (link.index === 1) refuse("EINVAL")
      change({ master: bridge.index })
    }
  }
  if (request.up !== undefined && request.up !== link.up) {
    change({ up: request.up })
    if (request.up) {
      if (link.index === 1 && link.addresses.length === 0) change({ addresses: ["127.0.0.1/8", "::1/128"] })
      for (const address of link.addresses) connect(m, link, address)
    } else {for (const route of m.routes.values()) {
        if (route.ns === link.ns && route.link === link.index) m.routes.delete(route.id)
      }}
  }
}

const netnsOfFd = (m: Machine, fd: number): number => {
  const { kind } = Descriptors.fileOf(m, fd)
  const id = kind._tag === "Node" ? namespaceOf(kind.location.node) : undefined
  return id !== undefined && m.namespaces.need(id).type === "net" ? id : refuse("EINVAL")
}

/** The route to the network of an address, which comes with it while the link is up. */
const connect = (m: Machine, link: Link, address: string): void => {
  const cidr = parseCidr(address)!
  if (link.index === 1 || cidr.prefix === bitsOf(cidr.family)) return
  const id = m.fresh()
  m.routes.set(id, {
    id,
    ns: link.ns,
    family: cidr.family,
    destination: `${
      printIp({ family: cidr.family, value: network(cidr.value, cidr.prefix, cidr.family) })
    }/${cidr.prefix}`,
    gateway: null,
    source: cidr.family === 4 ? printIp(cidr) : null,
    link: link.index,
    table: mainTable,
    automatic: true
  })
}

const addAddress = (m: Machine, link: Link, text: string): void => {
  const cidr = parseCidr(text)
  if (cidr === undefined) return refuse("EINVAL")
  const written = `${printIp(cidr)}/${cidr.prefix}`
  // EEXIST: the same address with the same length on this link (inet_insert_ifa); for IPv6 any length
  const there = link.addresses.map((other) => parseCidr(other)!).some((other) =>
    other.family === cidr.family && other.value === cidr.value && (cidr.family === 6 || other.prefix === cidr.prefix)
  )
  if (there) refuse("EEXIST", cidr.family === 4 ? "ipv4: Address already assigned" : "IPv6: Address already assigned")
  m.links.set(link.id, { ...link, addresses: [...link.addresses, written] })
  if (link.up) connect(m, link, written)
}

const addRoute = (m: Machine, request: Extract<Rtnetlink.Request, { readonly _tag: "RouteAdd" }>): void => {
  const destination = request.destination === undefined ? undefined : parseCidr(request.destination) ?? refuse("EINVAL")
  const gateway = request.gateway === undefined ? undefined : parseIp(request.gateway) ?? refuse("EINVAL")
  const source = request.source === undefined ? undefined : parseIp(request.source) ?? refuse("EINVAL")
  const family = destination?.family ?? gateway?.family ?? source?.family ?? 4
  if ([destination, gateway, source].some((part) => part !== undefined && part.family !== family)) refuse("EINVAL")
  const link = request.link === undefined ? undefined : find(m, request.link)
  // EINVAL: IPv4 wants the bits behind the prefix to be zero, IPv6 masks them (fib_table_insert)
  if (
    destination !== undefined && family === 4 && network(destination.value, destination.prefix, 4) !== destination.value
  ) refuse("EINVAL", "Invalid prefix for given prefix length")
  // EINVAL: the preferred source is an address of this machine
  const local = linksOf(m).some(({ addresses }) => addresses.some((text) => parseCidr(text)!.value === source?.value))
  if (source !== undefined && !local) refuse("EINVAL", "Invalid source address")
  const up = link === undefined || link.up
  // ENETDOWN: IPv4 on a link that is down; ENETUNREACH: a gateway that no link reaches, or IPv6 on a link that is down
  if (gateway !== undefined) {
    const onLink = linksOf(m).find((other) =>
      (link === undefined || other.id === link.id) && other.up &&
      other.addresses.some((text) => contains(parseCidr(text)!, gateway))
    )
    if (onLink === undefined) {
      return refuse(family === 4 || !up ? "ENETUNREACH" : "EHOSTUNREACH", "Nexthop has invalid gateway")
    }
  } else if (link === undefined) return refuse(family === 4 ? "ENODEV" : "EINVAL")
  if (!up) refuse(family === 4 ? "ENETDOWN" : "ENETUNREACH", "Nexthop device is not up")
  const out = link ?? linksOf(m).find((other) => other.addresses.some((text) => contains(parseCidr(text)!, gateway!)))!
  const to = destination === undefined || destination.prefix === 0
    ? null
    : `${printIp({ family, value: network(destination.value, destination.prefix, family) })}/${destination.prefix}`
  const twin = m.routes.values().some((route) =>
    route.ns === m.self.ns.net && route.family === family && route.destination === to &&
    (family === 4 || route.link === out.index)
  )
  if (twin) refuse("EEXIST")
  const id = m.fresh()
  m.routes.set(id, {
    id,
    ns: m.self.ns.net,
    family,
    destination: to,
    gateway: gateway === undefined ? null : printIp(gateway),
    source: source === undefined ? null : printIp(source),
    link: out.index,
    table: mainTable,
    automatic: false
  })
}

const shownRoute = ({ destination, gateway, link, source, table }: Route): Rtnetlink.Answer => ({
  _tag: "Route",
  destination,
  gateway,
  source,
  index: link,
  table
})

export const rtnetlink = (
  m: Machine,
  { request }: { readonly request: Rtnetlink.Request }
): ReadonlyArray<Rtnetlink.Answer> => {
  const reads = ["LinkGet", "LinkList", "AddressList", "RouteList"].includes(request._tag)
  // EPERM: changes take CAP_NET_ADMIN in the owner of the network namespace (rtnetlink_rcv_msg)
  if (!reads && !nsCapable(m, m.namespaces.need(m.self.ns.net).owner, CAP.NET_ADMIN)) refuse("EPERM")
  switch (request._tag) {
    case "BridgeAdd":
      validName(request.name)
      if (linksOf(m).some(({ name }) => name === request.name)) refuse("EEXIST")
      add(m, request.name, "bridge", 1000)
      return []
    case "VethAdd": {
      validName(request.name)
      validName(request.peer)
      if (
        request.name === request.peer || linksOf(m).some(({ name }) => name === request.name || name === request.peer)
      ) {
        refuse("EEXIST")
      }
      const peer = add(m, request.peer, "veth", request.txQueueLength ?? 1000)
      const end = add(m, request.name, "veth", request.txQueueLength ?? 1000, peer)
      m.links.update(peer, (link) => ({ ...link, peer: end }))
      return []
    }
    case "LinkDelete": {
      const link = find(m, request.link)
      // EOPNOTSUPP: devices that no request made
      if (link.kind === "") refuse("ENOTSUP")
      remove(m, link)
      return []
    }
    case "LinkGet":
      return [answer(m, find(m, request.link))]
    case "LinkList":
      return linksOf(m).toSorted((a, b) => a.index - b.index).map((link) => answer(m, link))
    case "LinkSet":
      set(m, request)
      return []
    case "AddressAdd":
      addAddress(m, find(m, request.link), request.address)
      return []
    case "AddressList": {
      const link = find(m, request.link)
      return link.addresses.map((address) => ({ _tag: "Address", index: link.index, address }))
    }
    case "RouteAdd":
      addRoute(m, request)
      return []
    case "RouteList":
      return m.routes.values().filter(({ ns }) => ns === m.self.ns.net).map(shownRoute)
  }
}
