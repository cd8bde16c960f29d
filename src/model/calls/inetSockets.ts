/** IPv4 sockets, up to listen(2). @see ip(7), tcp(7), bind(2), listen(2), net/ipv4/af_inet.c */
import { AF, RT_TABLE, SOCK } from "../../native/constants.ts"
import { parseAddress } from "../../native/inet.ts"
import type { Arguments } from "../../native/Kernel.ts"
import { CAP, nsCapable } from "../Credentials.ts"
import type { Socket } from "../FileState.ts"
import { type Machine, refuse } from "../Machine.ts"
import { addressesOf, holds, isMulticast, linksOf, read, readIp, routesOf } from "../Routes.ts"
import { makeSocket, openSocket, socketOf } from "../Sockets.ts"
import { rules, valueOf } from "../Sysctl.ts"

const TCP = 6

/** Makes an IPv4 socket; only streams are modelled. */
export const inetSocket = (m: Machine, type: number, protocol: number): number => {
  if ((type & 0xf) !== SOCK.STREAM) m.unmodelled("sockets of IPv4 that are no streams")
  // EPROTONOSUPPORT: no stream protocol has this number (inet_create)
  if (protocol !== 0 && protocol !== TCP) {
    return protocol < 0 || protocol > 0xff ? refuse("EINVAL") : m.unmodelled(`protocol ${protocol} of IPv4`)
  }
  return openSocket(m, makeSocket(m, AF.INET, SOCK.STREAM, { net: m.self.ns.net }), type)
}

/** Whether an address belongs to the namespace, or stands for all addresses (inet_addr_valid_or_nonlocal). */
const isOwn = (m: Machine, ns: number, address: string): boolean => {
  const ip = readIp(address)
  if (ip.value === 0n || isMulticast(ip)) return true
  // before the first address there are no routing tables, and nothing is looked up (__inet_dev_addr_type)
  if (linksOf(m, ns).every((link) => addressesOf(link, 4).length === 0)) return true
  return routesOf(m, ns).some(({ destination, table, type }) =>
    table === RT_TABLE.LOCAL && (type === "local" || type === "broadcast") && destination !== null &&
    holds(read(destination), ip)
  )
}

const anywhere = "0.0.0.0"

/** Whether two addresses with the same port conflict: one would take connections of the other. */
const collides = (one: string, other: string): boolean => one === other || one === anywhere || other === anywhere

const isTaken = (m: Machine, own: Socket, address: string, port: number): boolean =>
  m.sockets.values().some(({ bound, id, net }) =>
    id !== own.id && net === own.net && bound?.port === port && collides(bound.address, address)
  )

/** The lowest port that needs no privilege. */
const unprivileged = (m: Machine, ns: number): number => {
  const path = "net/ipv4/ip_unprivileged_port_start"
  return Number(valueOf(m, path, ns, rules[path]!))
}

/** The order of the checks is that of `__inet_bind`. */
export const bind = (m: Machine, { address, fd, port }: Arguments<"bind">): void => {
  // the live kernel's handler refuses this itself
  const parsed = parseAddress(address)
  if (parsed?.family !== 4 || !(Number.isInteger(port) && port >= 0 && port <= 0xffff)) return refuse("EINVAL")
  const { socket: own } = socketOf(m, fd)
  // EINVAL: the address of another family (unix_validate_addr)
  if (own.domain !== AF.INET || own.net === undefined) return refuse("EINVAL")
  if (!isOwn(m, own.net, address)) refuse("EADDRNOTAVAIL")
  if (port !== 0 && port < unprivileged(m, own.net)) {
    if (!nsCapable(m, m.namespaces.need(own.net).owner, CAP.NET_BIND_SERVICE)) refuse("EACCES")
  }
  if (own.bound !== undefined) refuse("EINVAL")
  if (port !== 0 && isTaken(m, own, address, port)) refuse("EADDRINUSE")
  m.sockets.set(own.id, { ...own, bound: { address, port } })
}

export const listen = (m: Machine, { fd }: Arguments<"listen">): void => {
  const { socket: own } = socketOf(m, fd)
  if (own.domain !== AF.INET) {
    // EINVAL: a unix socket without a name; the model has no others (unix_listen)
    return refuse(own.type === SOCK.DGRAM ? "ENOTSUP" : "EINVAL")
  }
  // a socket without a port gets a free one
  m.sockets.set(own.id, { ...own, bound: own.bound ?? { address: anywhere, port: 0 }, listening: true })
}
