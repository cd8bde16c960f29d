/**
 * Network namespaces and their links, as rtnetlink(7) and netdevice(7) handle them; addresses and routes are in
 * `Routes.ts`. The rules are those of `net/core/rtnetlink.c` and `net/core/dev.c` of the kernel, and of the drivers
 * veth, bridge and loopback.
 */
import { type Machine, refuse } from "./Machine.ts"
import * as Routes from "./Routes.ts"
import type { Link } from "./State.ts"

// -- carriers ---------------------------------------------------------------------------------------------------------

/** Whether a link is up and has a carrier: both ends of a pair are up, or a port of a bridge forwards. */
export const isReady = (m: Machine, link: Link): boolean => {
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
 * Changes links, and then others accordingly. A bridge loses its carrier with its last forwarding port (a new bridge has a
 * carrier without ports), and a link that gets a carrier starts IPv6.
 */
export const following = (m: Machine, change: () => void): void => {
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

/** A bridge takes the lowest MTU and the lowest hardware address of its ports, unless these were set. */
export const followPorts = (m: Machine, id: number | undefined): void => {
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

/** Virtual links end with their namespace, and so does the peer of a veth. Physical links return to the first namespace. */
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

/** Removes a link. Its ports are released, and the peer of a veth is removed too. */
export const remove = (m: Machine, id: number): void => {
  const link = m.links.get(id)
  if (link === undefined) return
  release(m, id)
  Routes.linkGone(m, id)
  for (const port of portsOf(m, link)) release(m, port.id)
  m.links.delete(id)
  if (link.peer !== undefined) remove(m, link.peer)
}

/** Takes a link out of its bridge. */
export const release = (m: Machine, id: number): void => {
  const { master, ...free } = m.links.need(id)
  if (master === undefined) return
  m.links.set(id, free)
  followPorts(m, m.links.values().find((other) => other.ns === free.ns && other.index === master)?.id)
}

// -- names and numbers ------------------------------------------------------------------------------------------------
export const linksOf = (m: Machine, ns = m.self.ns.net): ReadonlyArray<Link> =>
  m.links.values().filter((link) => link.ns === ns)

export const isTaken = (m: Machine, ns: number, name: string): boolean =>
  linksOf(m, ns).some((link) => link.name === name)

/**
 * The name that a link gets (dev_prep_valid_name, __dev_alloc_name): `%d` is replaced by the first free number. EINVAL for
 * names that dev_valid_name refuses, and for other percent signs.
 */
export const nameFor = (m: Machine, ns: number, name: string): string => {
  if (name === "" || name === "." || name === ".." || /[/:\s]/.test(name)) refuse("EINVAL")
  if (!name.includes("%")) return isTaken(m, ns, name) ? refuse("EEXIST") : name
  if (!/^[^%]*%d[^%]*$/.test(name)) refuse("EINVAL")
  for (let number = 0;; number++) {
    const found = name.replace("%d", String(number))
    if (!isTaken(m, ns, found)) return found
  }
}

/** The next number that no link of the namespace has. Numbers are not reused at once (dev_index_reserve). */
export const newIndex = (m: Machine, ns: number): number => {
  const net = m.namespace("net", ns)
  let index = net.nextIndex
  while (linksOf(m, ns).some((link) => link.index === index)) index++
  m.namespaces.set(ns, { ...net, nextIndex: index + 1 })
  return index
}

/** `disable_ipv6` of future links. */
export const ipv6Default = (m: Machine, ns: number): boolean =>
  Number(m.sysctls.get(`${ns}:net/ipv6/conf/default/disable_ipv6`) ?? "0") !== 0

/** Moves a link. It goes down, and loses its bridge, addresses and routes. It keeps its number if that is free there. */
export const move = (m: Machine, id: number, ns: number): void => {
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

export const setUp = (m: Machine, id: number, up: boolean): void => {
  if (m.links.need(id).up === up) return
  m.links.update(id, (link) => ({ ...link, up }))
  if (up) Routes.linkUp(m, id)
  else Routes.linkDown(m, id)
}
