/** rtnetlink(7): what a request does. */
import * as Netlink from "../../native/netlink/messages.ts"
import type * as Rtnetlink from "../../native/Rtnetlink.ts"
import { CAP, nsCapable, processByNumber } from "../Credentials.ts"
import * as Descriptors from "../Descriptors.ts"
import { namespaceOf } from "../ids.ts"
import { LateRefusal, type Machine, Refusal, refuse } from "../Machine.ts"
import {
  following,
  followPorts,
  ipv6Default,
  isReady,
  isTaken,
  linksOf,
  move,
  nameFor,
  newIndex,
  release,
  remove,
  setUp
} from "../Network.ts"
import * as Routes from "../Routes.ts"
import type { Link } from "../State.ts"
import { addAddress, addRoute, listRoutes } from "./routes.ts"

const IFF = { UP: 1, BROADCAST: 2, LOOPBACK: 8, RUNNING: 0x40, MULTICAST: 0x1000, LOWER_UP: 0x10000 }

const byteLength = (text: string): number => new TextEncoder().encode(text).length

/** ERANGE: a name has at most 15 bytes, an alias 255. */
const fits = (text: string | undefined, most = 15): void => {
  if (text !== undefined && byteLength(text) > most) refuse("ERANGE", "Attribute failed policy validation")
}

/** ENODEV: no such link. */
const find = (m: Machine, link: Rtnetlink.Link): Link => {
  if (typeof link === "string") fits(link)
  return linksOf(m).find(({ index, name }) => typeof link === "number" ? index === link : name === link) ??
    refuse("ENODEV")
}

/** A unique hardware address; the kernel chooses a random one. */
const macOf = (id: number): string =>
  ["02", ...[24, 18, 12, 6, 0].map((shift) => (id >> shift & 63).toString(16).padStart(2, "0"))].join(":")

const add = (m: Machine, ns: number, wanted: string, kind: string, txQueueLength: number, peer?: number): number => {
  const name = nameFor(m, ns, wanted)
  const index = newIndex(m, ns)
  // EINVAL: names of directories in /proc/sys/net/ipv4/conf; checked after the number is allocated
  // (sysctl_dev_name_is_allowed)
  if (name === "all" || name === "default") throw new LateRefusal("EINVAL")
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

// -- requests ---------------------------------------------------------------------------------------------------------
const answer = (m: Machine, link: Link): Rtnetlink.Answer => ({
  _tag: "Link",
  index: link.index,
  name: link.name,
  flags: (link.name === "lo" && link.kind === "" ? IFF.LOOPBACK : IFF.BROADCAST | IFF.MULTICAST) |
    // the kernel reports RUNNING some time after the carrier (linkwatch)
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
  // the peer is made first (veth_newlink). If the other end fails, it is removed, but its number stays used
  const peer = add(m, peerNs, peerName, "veth", txQueueLength)
  try {
    const end = add(m, ns, name, "veth", txQueueLength, peer)
    m.links.update(peer, (link) => ({ ...link, peer: end }))
  } catch (error) {
    if (!(error instanceof Refusal) && !(error instanceof LateRefusal)) throw error
    m.links.delete(peer)
    throw new LateRefusal(error.code)
  }
}

const deleteLink = (m: Machine, { link }: Of<"LinkDelete">): void => {
  if (link === 0) refuse("EINVAL")
  const found = find(m, link)
  // EOPNOTSUPP: a device that was not made by a request
  if (found.kind === "") refuse("ENOTSUP")
  following(m, () => remove(m, found.id))
}

/** Moves a link. EINVAL: lo and bridges can't be moved (netns_immutable); EEXIST: the name is taken there, also a new one. */
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
  // an unchanged address is not checked (netif_set_mac_address)
  if (mac === m.links.need(id).mac) return
  // EADDRNOTAVAIL: a multicast address or zero (is_valid_ether_addr)
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
  // EINVAL: not within 68 to 65535 for veth and bridge; lo has no limits (dev_validate_mtu)
  if (mtu > 2 ** 31 - 1 || (mtu < 68 && link.index !== 1)) refuse("EINVAL", "mtu less than device minimum")
  if (mtu > 65535 && link.index !== 1) refuse("EINVAL", "mtu greater than device maximum")
  m.links.set(id, { ...link, mtu, ...link.kind === "bridge" ? { ownMtu: true } : {} })
  // lo keeps IPv6 without addresses, and gets them back only when it goes up again (addrconf_ifdown)
  if (mtu < 1280 || (link.mtu < 1280 && link.index !== 1)) Routes.familiesChanged(m, id, isReady(m, m.links.need(id)))
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
  let failed: Refusal | undefined
  let done = 0
  following(m, () => {
    for (const change of changes) {
      if (change === false || failed !== undefined) continue
      try {
        change()
        done++
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        failed = error
      }
    }
  })
  if (failed === undefined) return
  // changes before the refused one stay, also a release from a bridge
  throw done > 0 || master !== undefined ? new LateRefusal(failed.code) : failed
}

const reads: ReadonlySet<Rtnetlink.Request["_tag"]> = new Set(["LinkGet", "LinkList", "AddressList", "RouteList"])

export const rtnetlink = (
  m: Machine,
  { request: asked }: { readonly request: Rtnetlink.Request }
): ReadonlyArray<Rtnetlink.Answer> => {
  // a name is resolved first, by a request of its own that any process may make
  const name = Netlink.needsIndex(asked)
  // EINVAL: it can't be expressed as a message
  const problem = name === undefined ? undefined : Netlink.problem({ _tag: "LinkGet", link: name })
  if (problem !== undefined) refuse("EINVAL", problem)
  const request = name === undefined ? asked : Netlink.withIndex(asked, find(m, name).index)
  const other = Netlink.problem(request)
  if (other !== undefined) refuse("EINVAL", other)
  // EPERM: changes need CAP_NET_ADMIN in the owner of the network namespace (rtnetlink_rcv_msg)
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
      addAddress(m, link, request, isReady(m, link))
      return []
    }
    case "AddressList":
      return linksOf(m).filter(({ index }) => index === request.link).flatMap(({ addresses, index }) =>
        addresses.map((address) => ({ _tag: "Address", index, address }) as const)
      )
    case "RouteAdd":
      addRoute(m, request)
      return []
    case "RouteList":
      return listRoutes(m)
  }
}
