/**
 * Network namespaces and their links, as rtnetlink(7) and netdevice(7) handle them; addresses and routes are in
 * `Routes.ts`. The rules are those of `net/core/rtnetlink.c` and `net/core/dev.c` of the kernel, and of the drivers
 * veth, bridge and loopback.
 */
import * as Netlink from "../native/netlink.ts"
import type * as Rtnetlink from "../native/Rtnetlink.ts"
import { CAP, nsCapable, processByNumber } from "./Credentials.ts"
import * as Descriptors from "./Descriptors.ts"
import { type Machine, refuse, Refused, RefusedAfter } from "./Machine.ts"
import { namespaceOf } from "./Nodes.ts"
import * as Routes from "./Routes.ts"
import type { Link } from "./State.ts"
import * as Sysctl from "./Sysctl.ts"

const IFF = { UP: 1, BROADCAST: 2, LOOPBACK: 8, RUNNING: 0x40, MULTICAST: 0x1000, LOWER_UP: 0x10000 }

// ── carriers ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whether a link is up and has a carrier: both ends of a pair are up, or a port of a bridge forwards. */
const isReady = (m: Machine, link: Link): boolean => {
  if (!link.up) return false
  if (link.kind === "bridge") return link.carrierLost !== true
  return link.peer === undefined || m.links.get(link.peer)?.up === true
}

const portsOf = (m: Machine, bridge: Link): ReadonlyArray<Link> =>
  m.links.values().filter(({ master, ns }) => ns === bridge.ns && master === bridge.index)

/** The ports through which a bridge forwards. */
const forwarding = (m: Machine, bridge: Link): ReadonlyArray<number> =>
  bridge.up ? portsOf(m, bridge).filter((port) => isReady(m, port)).map(({ id }) => id) : []

const bridges = (m: Machine): ReadonlyArray<Link> => m.links.values().filter(({ kind }) => kind === "bridge")

/**
 * Does something to links, and then what follows for others: a bridge loses its carrier with its last port that forwards
 * (a new one has a carrier without ports), and a link that gets a carrier comes to use IPv6.
 */
const following = (m: Machine, change: () => void): void => {
  const before = new Map(bridges(m).map((bridge) => [bridge.id, forwarding(m, bridge).join()]))
  const ready = new Set(m.links.values().filter((link) => isReady(m, link)).map(({ id }) => id))
  change()
  for (const bridge of bridges(m)) {
    const now = forwarding(m, bridge)
    if (before.get(bridge.id) === now.join()) continue
    const { carrierLost: _, ...live } = bridge
    if (bridge.up && before.has(bridge.id)) {
      m.links.set(bridge.id, now.length > 0 ? live : { ...live, carrierLost: true })
    }
  }
  for (const { id } of m.links.values()) {
    if (!ready.has(id) && isReady(m, m.links.need(id))) Routes.linkReady(m, id)
  }
}

/** A bridge follows the lowest MTU and the lowest hardware address of its ports, unless its own were chosen. */
const followPorts = (m: Machine, id: number | undefined): void => {
  const bridge = id === undefined ? undefined : m.links.get(id)
  if (bridge === undefined) return
  const ports = portsOf(m, bridge)
  const mtu = ports.reduce((least, port) => Math.min(least, port.mtu), ports.length === 0 ? 1500 : Infinity)
  const mac = ports.map((port) => port.mac).toSorted()[0] ?? "00:00:00:00:00:00"
  m.links.set(bridge.id, {
    ...bridge,
    ...bridge.ownMtu === true ? {} : { mtu },
    ...bridge.ownMac === true ? {} : { mac }
  })
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
  Sysctl.inherit(m, id)
  return id
}

/** Virtual links end with their namespace, and a veth takes its peer along; physical ones return to the first. */
export const endNamespace = (m: Machine, ns: number): void => {
  const first = m.namespaces.values().find((other) => other.type === "net")!.id
  following(m, () => {
    for (const link of m.links.values()) {
      if (link.ns !== ns || !m.links.has(link.id)) continue
      if (link.kind === "" && link.index !== 1) move(m, link.id, first)
      else remove(m, link.id)
    }
  })
  for (const route of m.routes.values()) if (route.ns === ns) m.routes.delete(route.id)
}

/** A link is gone, its ports are free, and its other end is gone as well. */
const remove = (m: Machine, id: number): void => {
  const link = m.links.get(id)
  if (link === undefined) return
  release(m, id)
  Routes.linkGone(m, id)
  for (const port of portsOf(m, link)) release(m, port.id)
  m.links.delete(id)
  if (link.peer !== undefined) remove(m, link.peer)
}

/** Takes a link out of its bridge. */
const release = (m: Machine, id: number): void => {
  const { master, ...free } = m.links.need(id)
  if (master === undefined) return
  m.links.set(id, free)
  followPorts(m, m.links.values().find((other) => other.ns === free.ns && other.index === master)?.id)
}

// ── names and numbers ────────────────────────────────────────────────────────────────────────────────────────────────

const linksOf = (m: Machine, ns = m.self.ns.net): ReadonlyArray<Link> =>
  m.links.values().filter((link) => link.ns === ns)

const isTaken = (m: Machine, ns: number, name: string): boolean => linksOf(m, ns).some((link) => link.name === name)

const byteLength = (text: string): number => new TextEncoder().encode(text).length

/** ERANGE: the attribute holds 15 bytes, and 255 for an alias. */
const fits = (text: string | undefined, most = 15): void => {
  if (text !== undefined && byteLength(text) > most) refuse("ERANGE", "Attribute failed policy validation")
}

/** ENODEV: no such link. */
const find = (m: Machine, link: Rtnetlink.Link): Link => {
  if (typeof link === "string") fits(link)
  return linksOf(m).find(({ index, name }) => typeof link === "number" ? index === link : name === link) ??
    refuse("ENODEV")
}

/**
 * The name that a link gets (dev_prep_valid_name, __dev_alloc_name): `%d` stands for the first number that is free.
 * EINVAL for what dev_valid_name refuses and for other percent signs.
 */
const nameFor = (m: Machine, ns: number, name: string): string => {
  if (name === "" || name === "." || name === ".." || /[/:\s]/.test(name)) refuse("EINVAL")
  if (!name.includes("%")) return isTaken(m, ns, name) ? refuse("EEXIST") : name
  if (!/^[^%]*%d[^%]*$/.test(name)) refuse("EINVAL")
  for (let number = 0;; number++) {
    const found = name.replace("%d", String(number))
    if (!isTaken(m, ns, found)) return found
  }
}

/** The next number that no link of the namespace has; numbers are not used again at once (dev_index_reserve). */
const newIndex = (m: Machine, ns: number): number => {
  const net = m.namespace("net", ns)
  let index = net.nextIndex
  while (linksOf(m, ns).some((link) => link.index === index)) index++
  m.namespaces.set(ns, { ...net, nextIndex: index + 1 })
  return index
}

/** A hardware address that nobody else has; the kernel draws one. */
const macOf = (id: number): string =>
  ["02", ...[24, 18, 12, 6, 0].map((shift) => (id >> shift & 63).toString(16).padStart(2, "0"))].join(":")

/** `disable_ipv6` of links to come. */
export const ipv6Default = (m: Machine, ns: number): boolean =>
  Number(m.sysctls.get(`${ns}:net/ipv6/conf/default/disable_ipv6`) ?? "0") !== 0

const add = (m: Machine, ns: number, wanted: string, kind: string, txQueueLength: number, peer?: number): number => {
  const name = nameFor(m, ns, wanted)
  const index = newIndex(m, ns)
  // EINVAL: the names of directories of /proc/sys/net/ipv4/conf, found after the number is taken
  // (sysctl_dev_name_is_allowed)
  if (name === "all" || name === "default") throw new RefusedAfter("EINVAL")
  const id = m.fresh()
  m.links.set(id, {
    id,
    ns,
    index,
    name,
    kind,
    up: false,
    mtu: 1500,
    mac: macOf(id),
    txQueueLength,
    addresses: [],
    ...peer === undefined ? {} : { peer },
    ...ipv6Default(m, ns) ? { ipv6Off: true } : {}
  })
  return id
}

/**
 * The namespace that a request names. ESRCH: no such process; EBADF and EINVAL: no descriptor of a network namespace
 * (rtnl_link_get_net); EPERM: CAP_NET_ADMIN also in the owner of the target (rtnl_link_get_net_capable).
 */
const targetOf = (m: Machine, pid: number | undefined, fd: number | undefined): number | undefined => {
  if (pid === undefined && fd === undefined) return undefined
  const ns = pid === undefined ? netnsOfFd(m, fd!) : netnsOfPid(m, pid)
  return nsCapable(m, m.namespaces.need(ns).owner, CAP.NET_ADMIN) ? ns : refuse("EPERM")
}

const netnsOfPid = (m: Machine, pid: number): number => {
  const process = processByNumber(m, pid)
  return process === undefined || process.status === "zombie" ? refuse("ESRCH") : process.ns.net
}

const netnsOfFd = (m: Machine, fd: number): number => {
  const { kind } = Descriptors.usable(m, fd)
  const id = kind._tag === "Node" ? namespaceOf(kind.location.node) : undefined
  return id !== undefined && m.namespaces.need(id).type === "net" ? id : refuse("EINVAL")
}

// ── requests ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const answer = (m: Machine, link: Link): Rtnetlink.Answer => ({
  _tag: "Link",
  index: link.index,
  name: link.name,
  flags: (link.name === "lo" && link.kind === "" ? IFF.LOOPBACK : IFF.BROADCAST | IFF.MULTICAST) |
    // the kernel comes to tell RUNNING some time after the carrier (linkwatch)
    (link.up ? IFF.UP : 0) | (isReady(m, link) ? IFF.RUNNING | IFF.LOWER_UP : 0),
  mtu: link.mtu,
  mac: link.mac,
  master: link.master ?? null,
  kind: link.kind,
  alias: link.alias ?? ""
})

type Of<Tag extends Rtnetlink.Request["_tag"]> = Extract<Rtnetlink.Request, { readonly _tag: Tag }>

const addBridge = (m: Machine, { name }: Of<"BridgeAdd">): void => {
  fits(name)
  if (isTaken(m, m.self.ns.net, name)) refuse("EEXIST")
  add(m, m.self.ns.net, name, "bridge", 1000)
}

const addVeth = (m: Machine, request: Of<"VethAdd">): void => {
  const { name, peer: peerName, txQueueLength = 1000 } = request
  fits(name)
  fits(peerName)
  const ns = m.self.ns.net
  const peerNs = targetOf(m, request.peerNetnsPid, request.peerNetnsFd) ?? ns
  if (isTaken(m, ns, name)) refuse("EEXIST")
  // the peer is made first (veth_newlink), and undone with nothing left but its number
  const peer = add(m, peerNs, peerName, "veth", txQueueLength)
  try {
    const end = add(m, ns, name, "veth", txQueueLength, peer)
    m.links.update(peer, (link) => ({ ...link, peer: end }))
  } catch (error) {
    if (!(error instanceof Refused) && !(error instanceof RefusedAfter)) throw error
    m.links.delete(peer)
    throw new RefusedAfter(error.code)
  }
}

const deleteLink = (m: Machine, { link }: Of<"LinkDelete">): void => {
  if (link === 0) refuse("EINVAL")
  const found = find(m, link)
  // EOPNOTSUPP: devices that no request made
  if (found.kind === "") refuse("ENOTSUP")
  following(m, () => remove(m, found.id))
}

/** Moves a link: it goes down, loses its bridge, addresses and routes, and keeps its number where that is free. */
const move = (m: Machine, id: number, ns: number): void => {
  const name = m.links.need(id).name
  release(m, id)
  if (m.links.need(id).up) setUp(m, id, false)
  Routes.linkGone(m, id)
  const { ipv6Off: _, ...link } = m.links.need(id)
  const taken = linksOf(m, ns).some(({ index }) => index === link.index)
  m.links.set(id, {
    ...link,
    ns,
    name: isTaken(m, ns, name) ? nameFor(m, ns, "dev%d") : name,
    index: taken ? newIndex(m, ns) : link.index,
    ...ipv6Default(m, ns) ? { ipv6Off: true } : {}
  })
}

const setUp = (m: Machine, id: number, up: boolean): void => {
  if (m.links.need(id).up === up) return
  m.links.update(id, (link) => ({ ...link, up }))
  if (up) Routes.linkUp(m, id)
  else Routes.linkDown(m, id)
}

/** EINVAL: lo and bridges stay where they are (netns_immutable); EEXIST: the name is taken there, and a new one too. */
const moveBy = (m: Machine, id: number, ns: number, wanted: string | undefined): void => {
  const link = m.links.need(id)
  if (link.index === 1 || link.kind === "bridge") refuse("EINVAL", "The interface netns is immutable")
  if (isTaken(m, ns, link.name)) {
    if (wanted === undefined || wanted === "") return refuse("EEXIST")
    m.links.update(id, (old) => ({ ...old, name: nameFor(m, ns, wanted) }))
  }
  move(m, id, ns)
}

const setMac = (m: Machine, id: number, text: string): void => {
  const mac = text.toLowerCase()
  // what it has already is not looked at (netif_set_mac_address)
  if (mac === m.links.need(id).mac) return
  // EADDRNOTAVAIL: a group's or zero (is_valid_ether_addr)
  if ((Number.parseInt(mac.slice(0, 2), 16) & 1) !== 0 || /^[0:]+$/.test(mac)) refuse("EADDRNOTAVAIL")
  const link = m.links.need(id)
  m.links.set(id, { ...link, mac, ...link.kind === "bridge" ? { ownMac: true } : {} })
  followPorts(m, masterOf(m, link)?.id)
}

const masterOf = (m: Machine, link: Link): Link | undefined =>
  link.master === undefined ? undefined : linksOf(m, link.ns).find(({ index }) => index === link.master)

const setMtu = (m: Machine, id: number, mtu: number): void => {
  const link = m.links.need(id)
  if (mtu === link.mtu) return
  // EINVAL: outside of 68 to 65535 for veth and bridge, which lo does not limit (dev_validate_mtu)
  if (mtu > 2 ** 31 - 1 || (mtu < 68 && link.index !== 1)) refuse("EINVAL", "mtu less than device minimum")
  if (mtu > 65535 && link.index !== 1) refuse("EINVAL", "mtu greater than device maximum")
  m.links.set(id, { ...link, mtu, ...link.kind === "bridge" ? { ownMtu: true } : {} })
  if (mtu < 1280 || link.mtu < 1280) Routes.familiesChanged(m, id, isReady(m, m.links.need(id)))
  followPorts(m, masterOf(m, link)?.id)
}

const rename = (m: Machine, id: number, wanted: string): void => {
  const link = m.links.need(id)
  if (wanted === "" || wanted === link.name) return
  const name = nameFor(m, link.ns, wanted)
  if (name === "all" || name === "default") refuse("EINVAL")
  m.links.set(id, { ...link, name })
}

const setMaster = (m: Machine, id: number, index: number): void => {
  const link = m.links.need(id)
  if (link.master === index) return
  release(m, id)
  if (index === 0) return
  // EINVAL: no such link, or lo as port; EOPNOTSUPP: the master takes no ports; ELOOP: a bridge in a bridge (br_add_if)
  const bridge = linksOf(m, link.ns).find((other) => other.index === index) ?? refuse("EINVAL")
  if (bridge.kind !== "bridge") refuse("ENOTSUP")
  if (link.index === 1) refuse("EINVAL")
  if (link.kind === "bridge") refuse("ELOOP", "Can not enslave a bridge to a bridge")
  m.links.update(id, (old) => ({ ...old, master: index }))
  followPorts(m, bridge.id)
}

const setLink = (m: Machine, request: Of<"LinkSet">): void => {
  fits(request.name)
  fits(request.alias, 255)
  const target = targetOf(m, request.netnsPid, request.netnsFd)
  const { alias, mac, master, mtu, name, up } = request
  const { id, ns } = find(m, request.link)
  // in the order of do_setlink
  const changes: ReadonlyArray<(() => void) | false> = [
    target !== undefined && target !== ns && (() => moveBy(m, id, target, name)),
    mac !== undefined && (() => setMac(m, id, mac)),
    mtu !== undefined && (() => setMtu(m, id, mtu)),
    name !== undefined && (() => rename(m, id, name)),
    alias !== undefined && (() => m.links.update(id, (link) => ({ ...link, alias }))),
    up !== undefined && (() => setUp(m, id, up)),
    master !== undefined && (() => setMaster(m, id, master))
  ]
  let failed: Refused | undefined
  let done = 0
  following(m, () => {
    for (const change of changes) {
      if (change === false || failed !== undefined) continue
      try {
        change()
        done++
      } catch (error) {
        if (!(error instanceof Refused)) throw error
        failed = error
      }
    }
  })
  if (failed === undefined) return
  // what came before a part that is refused stays; a release from a bridge as well
  throw done > 0 || master !== undefined ? new RefusedAfter(failed.code) : failed
}

const reads: ReadonlySet<Rtnetlink.Request["_tag"]> = new Set(["LinkGet", "LinkList", "AddressList", "RouteList"])

export const rtnetlink = (
  m: Machine,
  { request: asked }: { readonly request: Rtnetlink.Request }
): ReadonlyArray<Rtnetlink.Answer> => {
  // names are asked for with a request of their own, which everybody may make, before the rest is looked at
  const name = Netlink.needsIndex(asked)
  // EINVAL: it has no form as a message
  const problem = name === undefined ? undefined : Netlink.problem({ _tag: "LinkGet", link: name })
  if (problem !== undefined) refuse("EINVAL", problem)
  const request = name === undefined ? asked : Netlink.withIndex(asked, find(m, name).index)
  const other = Netlink.problem(request)
  if (other !== undefined) refuse("EINVAL", other)
  // EPERM: changes take CAP_NET_ADMIN in the owner of the network namespace (rtnetlink_rcv_msg)
  if (!reads.has(request._tag) && !nsCapable(m, m.namespaces.need(m.self.ns.net).owner, CAP.NET_ADMIN)) refuse("EPERM")
  switch (request._tag) {
    case "BridgeAdd":
      addBridge(m, request)
      return []
    case "VethAdd":
      addVeth(m, request)
      return []
    case "LinkDelete":
      deleteLink(m, request)
      return []
    case "LinkGet":
      return [answer(m, request.link === 0 ? refuse("EINVAL") : find(m, request.link))]
    case "LinkList":
      return linksOf(m).toSorted((a, b) => a.index - b.index).map((link) => answer(m, link))
    case "LinkSet":
      setLink(m, request)
      return []
    case "AddressAdd": {
      const link = find(m, request.link)
      Routes.addAddress(m, link, request, isReady(m, link))
      return []
    }
    case "AddressList":
      return linksOf(m).filter(({ index }) => index === request.link).flatMap(({ addresses, index }) =>
        addresses.map((address) => ({ _tag: "Address", index, address }) as const)
      )
    case "RouteAdd":
      Routes.addRoute(m, request)
      return []
    case "RouteList":
      return Routes.listRoutes(m)
  }
}

// ── /proc/sys/net/ipv6/conf ──────────────────────────────────────────────────────────────────────────────────────────

/** The links of a namespace. */
export const linkNames = (m: Machine, ns: number): ReadonlyArray<string> => linksOf(m, ns).map(({ name }) => name)

/** `disable_ipv6` of a link by name; `undefined` where there is no such link. */
export const ipv6IsOff = (m: Machine, ns: number, name: string): boolean | undefined => {
  const link = linksOf(m, ns).find((other) => other.name === name)
  return link === undefined ? undefined : link.ipv6Off === true
}

/** Turns IPv6 of links off or on (addrconf_disable_ipv6); `all` is every link and those to come. */
export const turnIpv6 = (m: Machine, ns: number, name: string, off: boolean): void => {
  for (const link of linksOf(m, ns)) {
    if ((name !== "all" && name !== link.name) || (link.ipv6Off === true) === off) continue
    const { ipv6Off: _, ...on } = link
    m.links.set(link.id, off ? { ...on, ipv6Off: true } : on)
    Routes.familiesChanged(m, link.id, isReady(m, link))
  }
  if (name === "all") m.sysctls.set(`${ns}:net/ipv6/conf/default/disable_ipv6`, off ? "1" : "0")
}
