/**
 * The links of two network namespaces, the host's and a container's: enough of rtnetlink(7) to see what is left behind.
 */
import type { Call } from "../../../src/native/Kernel.ts"
import type { Answer, Request } from "../../../src/native/Rtnetlink.ts"

type Link = { -readonly [K in keyof (Answer & { _tag: "Link" })]: (Answer & { _tag: "Link" })[K] } & {
  peer: number
  where: "host" | "container"
  addresses: Array<string>
}

/** A fresh pair of namespaces. `side` says from which one requests come. */
export const makeLinks = () => {
  const all = new Map<number, Link>()
  const routes: Array<Request> = []
  let next = 1
  const add = (name: string, kind: string, where: Link["where"]): Link => {
    const link: Link = {
      _tag: "Link",
      index: next++,
      name,
      kind,
      where,
      flags: 0,
      mtu: 1500,
      mac: "",
      master: null,
      alias: "",
      peer: 0,
      addresses: []
    }
    all.set(link.index, link)
    return link
  }
  add("lo", "", "host")
  add("lo", "", "container")

  const answer = (side: Link["where"], request: Request): unknown => {
    const here = () => [...all.values()].filter(({ where }) => where === side)
    const find = (link: string | number | undefined): Link | undefined =>
      here().find(({ index, name }) => link === (typeof link === "number" ? index : name))
    const taken = (name: string, where: Link["where"]): boolean =>
      [...all.values()].some((link) => link.where === where && link.name === name)
    const link = "link" in request ? find(request.link) : undefined
    switch (request._tag) {
      case "BridgeAdd":
        if (taken(request.name, side)) return "EEXIST"
        add(request.name, "bridge", side)
        return []
      case "VethAdd": {
        const inner = request.peerNetnsPid === undefined ? side : "container"
        if (taken(request.name, side) || taken(request.peer, inner)) return "EEXIST"
        const peer = add(request.peer, "veth", inner)
        const outer = add(request.name, "veth", side)
        outer.peer = peer.index
        peer.peer = outer.index
        return []
      }
      case "LinkList":
        return here()
      case "RouteList":
        return []
      case "RouteAdd":
        routes.push(request)
        return []
    }
    if (link === undefined) return "ENODEV"
    switch (request._tag) {
      case "LinkDelete":
        all.delete(link.index)
        all.delete(link.peer)
        for (const port of all.values()) if (port.master === link.index) port.master = null
        return []
      case "LinkGet":
        return [{ ...link }]
      case "AddressAdd":
        if (link.addresses.includes(request.address)) return "EEXIST"
        link.addresses.push(request.address)
        return []
      case "AddressList":
        return link.addresses.map((address) => ({ _tag: "Address", index: link.index, address }))
      case "LinkSet":
        if (request.master !== undefined && find(request.master) === undefined) return "EINVAL"
        if (request.master !== undefined) link.master = request.master
        if (request.name !== undefined) link.name = request.name
        if (request.alias !== undefined) link.alias = request.alias
        if (request.mac !== undefined) link.mac = request.mac
        if (request.mtu !== undefined) link.mtu = request.mtu
        if (request.up !== undefined) link.flags = request.up ? link.flags | 1 : link.flags & ~1
        return []
    }
  }

  return {
    all,
    routes,
    add,
    names: (where: Link["where"]) => [...all.values()].filter((link) => link.where === where).map(({ name }) => name),
    on: (side: Link["where"]) => (call: Call): unknown => {
      if (call._tag === "getrandom") return Uint8Array.of(0xab, 0xcd, 0xef, 0x12)
      if (call._tag === "openat") return 9
      if (call._tag === "flock" || call._tag === "close") return undefined
      return call._tag === "rtnetlink" ? answer(side, call.request) : "ENOSYS"
    }
  }
}
