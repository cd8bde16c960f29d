/**
 * Requests to rtnetlink(7) as bytes, and its answers read back. Pure: the caller, who has a socket, sends and receives.
 *
 * An exchange has these steps. `problem` must return nothing. If `needsIndex` returns a name, ask `LinkGet` for it first,
 * and continue with `withIndex`. Send what `encode` returns. Pass every datagram to `decode`, and collect its answers until
 * it reports `done`. The socket should have `NETLINK_EXT_ACK` set (so that errors carry the kernel's text) and receive into
 * at least 64 KiB.
 *
 * @see netlink(7), rtnetlink(7)
 */
import { AF, IFA, IFA_F, IFF, IFLA, IFLA_INFO, NLM_F, NLMSG, NLMSGERR_ATTR } from "../constants.ts"
import { RT_SCOPE, RT_TABLE, RTA, RTEXT_FILTER, RTM, RTN, RTPROT, VETH_INFO } from "../constants.ts"
import * as Errno from "../Errno.ts"
import * as inet from "../inet.ts"
import type { Answer, Link, Request } from "../Rtnetlink.ts"
import * as wire from "./wire.ts"

/** The content of a datagram. */
export interface Decoded {
  /** Whether the exchange has ended: with an acknowledgement, at the end of a dump, or with an error. */
  readonly done: boolean
  readonly error?: {
    /** As a positive number. `EBADMSG` if the bytes themselves are wrong. */
    readonly errno: number
    /** The kernel's own words, or what is wrong with the bytes. */
    readonly detail?: string
  }
  readonly answers: ReadonlyArray<Answer>
}

// -- requests ---------------------------------------------------------------------------------------------------------

const familyOf = ({ family }: inet.Address): number => family === 4 ? AF.INET : AF.INET6

const macOf = (text: string): Uint8Array | undefined =>
  /^[0-9a-f]{2}(?::[0-9a-f]{2}){5}$/i.test(text)
    ? Uint8Array.from(text.split(":"), (octet) => Number.parseInt(octet, 16))
    : undefined

const isUnsigned = (value: number): boolean => Number.isInteger(value) && value >= 0 && value <= 0xffffffff

interface ParsedRoute {
  readonly destination: inet.Cidr | undefined
  readonly source: inet.Address | undefined
  readonly gateway: inet.Address | undefined
}

const routeOf = ({ destination, gateway, source }: Request & { _tag: "RouteAdd" }): ParsedRoute => ({
  destination: destination === undefined ? undefined : inet.parseCidr(destination),
  source: source === undefined ? undefined : inet.parseAddress(source),
  gateway: gateway === undefined ? undefined : inet.parseAddress(gateway)
})

const routeProblem = (request: Request & { _tag: "RouteAdd" }): string | undefined => {
  const route = routeOf(request)
  for (const field of ["destination", "source", "gateway"] as const) {
    if (request[field] !== undefined && route[field] === undefined) {
      return field === "destination"
        ? `"${request[field]}" is not a destination in CIDR notation`
        : `"${request[field]}" is not an IP address`
    }
  }
  const families = new Set([route.destination, route.source, route.gateway].flatMap((part) => part?.family ?? []))
  if (families.size === 0) return "a route needs a destination, a source or a gateway"
  return families.size === 1 ? undefined : "destination, source and gateway are not of one IP family"
}

/**
 * Why a request can't be put into bytes; `undefined` if it can.
 *
 * Only what can't be expressed in a message is a problem here: a text that is not an address, a name with a NUL, a number
 * that does not fit. The kernel judges all other values. Both kernels answer such a request with `EINVAL` and this text as
 * detail.
 */
export const problem = (request: Request): string | undefined => {
  for (const [field, value] of Object.entries(request) as Array<[string, unknown]>) {
    if (typeof value === "number" && !isUnsigned(value)) return `${field} ${value} is not an unsigned 32-bit integer`
    if (typeof value === "string" && value.includes("\0")) return `${field} ${JSON.stringify(value)} contains a NUL`
  }
  if ("link" in request && request.link === "") return "the name of the link is empty"
  switch (request._tag) {
    case "LinkSet":
      return request.mac === undefined || macOf(request.mac) !== undefined
        ? undefined
        : `"${request.mac}" is not a MAC address of six hexadecimal bytes`
    case "AddressAdd":
      return inet.parseCidr(request.address) === undefined
        ? `"${request.address}" is not an address in CIDR notation`
        : undefined
    case "RouteAdd":
      return routeProblem(request)
    default:
      return undefined
  }
}

/**
 * The name that must be resolved to an index before the request can be encoded: addresses and routes know links by index
 * only, and a link to be renamed can't be addressed by its current name.
 */
export const needsIndex = (request: Request): string | undefined => {
  switch (request._tag) {
    case "AddressAdd":
    case "AddressList":
    case "RouteAdd":
      return typeof request.link === "string" ? request.link : undefined
    case "LinkSet":
      return typeof request.link === "string" && request.name !== undefined ? request.link : undefined
    default:
      return undefined
  }
}

/** The request with its link given by index. */
export const withIndex = (request: Request, index: number): Request =>
  "link" in request ? { ...request, link: index } : request

const change = NLM_F.REQUEST | NLM_F.ACK
const create = change | NLM_F.CREATE | NLM_F.EXCL
const dump = NLM_F.REQUEST | NLM_F.DUMP

/** Leaves out a link's counters: they are half of what the kernel reports, and nothing here uses them. */
const withoutCounters = wire.attribute(IFLA.EXT_MASK, wire.u32(RTEXT_FILTER.SKIP_STATS))

const name = (text: string): Uint8Array => wire.attribute(IFLA.IFNAME, wire.cString(text))

/** An attribute with an unsigned integer; none if the value is absent. */
const number = (type: number, value: number | undefined): ReadonlyArray<Uint8Array> =>
  value === undefined ? [] : [wire.attribute(type, wire.u32(value))]

const indexOf = (link: Link): number => typeof link === "number" ? link : 0

/** A link by index, or by name if the kernel looks names up itself. */
const linkParts = (
  link: Link,
  fields: { readonly flags?: number; readonly change?: number } = {}
): ReadonlyArray<Uint8Array> => [
  wire.ifinfomsg({ index: indexOf(link), ...fields }),
  ...(typeof link === "string" ? [name(link)] : [])
]

const addressParts = (request: Request & { _tag: "AddressAdd" }): ReadonlyArray<Uint8Array> => {
  const address = inet.parseCidr(request.address)!
  return [
    wire.ifaddrmsg({
      family: familyOf(address),
      prefix: address.prefix,
      flags: request.nodad === true && address.family === 6 ? IFA_F.NODAD : 0,
      index: indexOf(request.link)
    }),
    wire.attribute(IFA.LOCAL, address.bytes),
    wire.attribute(IFA.ADDRESS, address.bytes)
  ]
}

const routeParts = (request: Request & { _tag: "RouteAdd" }): ReadonlyArray<Uint8Array> => {
  const { destination, gateway, source } = routeOf(request)
  return [
    wire.rtmsg({
      family: familyOf(destination ?? gateway ?? source!),
      destinationLength: destination?.prefix ?? 0,
      table: RT_TABLE.MAIN,
      protocol: RTPROT.BOOT,
      // an IPv4 destination without a gateway is on the link itself; only such a route can lead to gateways of other routes
      scope: gateway === undefined ? RT_SCOPE.LINK : RT_SCOPE.UNIVERSE,
      type: RTN.UNICAST
    }),
    ...(destination === undefined ? [] : [wire.attribute(RTA.DST, destination.bytes)]),
    ...(source === undefined ? [] : [wire.attribute(RTA.PREFSRC, source.bytes)]),
    ...(gateway === undefined ? [] : [wire.attribute(RTA.GATEWAY, gateway.bytes)]),
    ...(request.link === undefined ? [] : number(RTA.OIF, indexOf(request.link)))
  ]
}

const info = (kind: string, ...data: ReadonlyArray<Uint8Array>): Uint8Array =>
  wire.nested(IFLA.LINKINFO, wire.attribute(IFLA_INFO.KIND, wire.cString(kind)), ...data)

const bodyOf = (
  request: Request
): { readonly type: number; readonly flags: number; readonly parts: ReadonlyArray<Uint8Array> } => {
  switch (request._tag) {
    case "BridgeAdd":
      return { type: RTM.NEWLINK, flags: create, parts: [wire.ifinfomsg(), name(request.name), info("bridge")] }
    case "VethAdd": {
      const queue = number(IFLA.TXQLEN, request.txQueueLength)
      const peer = wire.nested(
        VETH_INFO.PEER,
        wire.ifinfomsg(),
        name(request.peer),
        ...queue,
        ...number(IFLA.NET_NS_PID, request.peerNetnsPid),
        ...number(IFLA.NET_NS_FD, request.peerNetnsFd)
      )
      const data = wire.nested(IFLA_INFO.DATA, peer)
      const parts = [wire.ifinfomsg(), name(request.name), ...queue, info("veth", data)]
      return { type: RTM.NEWLINK, flags: create, parts }
    }
    case "LinkDelete":
      return { type: RTM.DELLINK, flags: change, parts: linkParts(request.link) }
    case "LinkGet":
      return { type: RTM.GETLINK, flags: change, parts: [...linkParts(request.link), withoutCounters] }
    case "LinkList":
      return { type: RTM.GETLINK, flags: dump, parts: [wire.ifinfomsg(), withoutCounters] }
    case "LinkSet": {
      // only flags named in `change` are set; if it named all, a new MAC or MTU would also set the link up or down and
      // clear its other flags
      const state = request.up === undefined ? {} : { flags: request.up ? IFF.UP : 0, change: IFF.UP }
      const parts = [
        ...linkParts(request.link, state),
        ...(request.name === undefined ? [] : [name(request.name)]),
        ...(request.mac === undefined ? [] : [wire.attribute(IFLA.ADDRESS, macOf(request.mac)!)]),
        ...number(IFLA.MTU, request.mtu),
        ...number(IFLA.MASTER, request.master),
        ...number(IFLA.NET_NS_PID, request.netnsPid),
        ...number(IFLA.NET_NS_FD, request.netnsFd),
        ...(request.alias === undefined ? [] : [wire.attribute(IFLA.IFALIAS, Buffer.from(request.alias))])
      ]
      return { type: RTM.NEWLINK, flags: change, parts }
    }
    case "AddressAdd":
      return { type: RTM.NEWADDR, flags: create, parts: addressParts(request) }
    case "AddressList":
      return {
        type: RTM.GETADDR,
        flags: dump,
        parts: [wire.ifaddrmsg({ family: 0, prefix: 0, flags: 0, index: indexOf(request.link) })]
      }
    case "RouteAdd":
      return { type: RTM.NEWROUTE, flags: create, parts: routeParts(request) }
    case "RouteList": {
      const any = { family: 0, destinationLength: 0, table: 0, protocol: 0, scope: 0, type: 0 }
      return { type: RTM.GETROUTE, flags: dump, parts: [wire.rtmsg(any)] }
    }
  }
}

/**
 * The message of a request, with its header. The answers repeat `seq`, which may be any number but 0.
 *
 * Throws a RangeError if {@link problem} or {@link needsIndex} names something: ask them first.
 */
export const encode = (request: Request, seq: number): Uint8Array => {
  const reason = problem(request)
  if (reason !== undefined) throw new RangeError(reason)
  const unresolved = needsIndex(request)
  if (unresolved !== undefined) throw new RangeError(`link "${unresolved}" must be given by index`)
  const { flags, parts, type } = bodyOf(request)
  return wire.message({ type, flags, sequence: seq }, ...parts)
}

// -- answers ----------------------------------------------------------------------------------------------------------

const formatMac = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":")

const linkAnswer = (body: wire.Reader): Answer => {
  const index = body.i32(4, "a link")
  const flags = body.u32(8, "a link")
  const attributes = wire.attributesOf(body, 16)
  const linkInfo = attributes.get(IFLA.LINKINFO)
  const kind = linkInfo === undefined ? undefined : wire.attributesOf(linkInfo, 0).get(IFLA_INFO.KIND)
  return {
    _tag: "Link",
    index,
    name: attributes.get(IFLA.IFNAME)?.text() ?? "",
    flags,
    mtu: attributes.get(IFLA.MTU)?.u32(0, "an MTU") ?? 0,
    mac: formatMac(attributes.get(IFLA.ADDRESS)?.bytes ?? new Uint8Array()),
    master: attributes.get(IFLA.MASTER)?.u32(0, "a master") ?? null,
    kind: kind?.text() ?? "",
    alias: attributes.get(IFLA.IFALIAS)?.text() ?? ""
  }
}

/** How many bytes an address of a family has; `undefined` for families that are neither IPv4 nor IPv6. */
const sizeOf = (family: number): number | undefined => family === AF.INET ? 4 : family === AF.INET6 ? 16 : undefined

const addressText = (attribute: wire.Reader | undefined, size: number): string | null =>
  attribute === undefined ? null : inet.formatAddress(attribute.slice(0, size, "an address").bytes)

const addressAnswer = (body: wire.Reader): ReadonlyArray<Answer> => {
  const index = body.u32(4, "an address")
  const size = sizeOf(body.u8(0, "an address"))
  if (size === undefined) return []
  const attributes = wire.attributesOf(body, 8)
  // on a point-to-point link, IFA_ADDRESS is the other end; IPv6 has IFA_LOCAL on such links only
  const address = addressText(attributes.get(IFA.LOCAL) ?? attributes.get(IFA.ADDRESS), size)
  if (address === null) throw new wire.Malformed("an address without IFA_LOCAL and IFA_ADDRESS")
  return [{ _tag: "Address", index, address: `${address}/${body.u8(1, "an address")}` }]
}

const routeAnswer = (body: wire.Reader): ReadonlyArray<Answer> => {
  const table = body.u8(4, "a route")
  const prefix = body.u8(1, "a route")
  const size = sizeOf(body.u8(0, "a route"))
  if (size === undefined) return []
  const attributes = wire.attributesOf(body, 12)
  const destination = addressText(attributes.get(RTA.DST), size)
  return [{
    _tag: "Route",
    destination: destination === null ? null : `${destination}/${prefix}`,
    gateway: addressText(attributes.get(RTA.GATEWAY), size),
    source: addressText(attributes.get(RTA.PREFSRC), size),
    index: attributes.get(RTA.OIF)?.u32(0, "a link") ?? null,
    // the header's field holds numbers up to 255 only
    table: attributes.get(RTA.TABLE)?.u32(0, "a table") ?? table
  }]
}

const answersOf = ({ body, type }: wire.Message): ReadonlyArray<Answer> => {
  switch (type) {
    case RTM.NEWLINK:
      return [linkAnswer(body)]
    case RTM.NEWADDR:
      return addressAnswer(body)
    case RTM.NEWROUTE:
      return routeAnswer(body)
    default:
      return []
  }
}

/** The error of `NLMSG_ERROR` and `NLMSG_DONE`; `undefined` for an acknowledgement. */
const errorOf = ({ body, flags, type }: wire.Message): Decoded["error"] => {
  // the end of a dump may come without a status
  const status = type === NLMSG.DONE && body.bytes.length < 4 ? 0 : body.i32(0, "a status")
  if (status === 0) return undefined
  const errno = Math.abs(status)
  if ((flags & NLM_F.ACK_TLVS) === 0) return { errno }
  // the request follows the status of an error: only its header, or all of it
  const request = type === NLMSG.DONE
    ? 0
    : (flags & NLM_F.CAPPED) === 0
    ? body.u32(4, "the request of an error")
    : wire.headerSize
  const detail = wire.attributesOf(body, 4 + request).get(NLMSGERR_ATTR.MSG)?.text()
  return detail === undefined ? { errno } : { errno, detail }
}

const failed = (answers: ReadonlyArray<Answer>, errno: Errno.Errno, detail: string): Decoded => ({
  done: true,
  error: { errno: Errno.numberOf(errno), detail },
  answers
})

/** Whether an answer is about the link that an `AddressList` asks for: the kernel sends the addresses of all links. */
const isWanted = (request: Request, answer: Answer): boolean =>
  request._tag !== "AddressList" || (answer._tag === "Address" && answer.index === request.link)

/**
 * Reads one datagram of the answer to `request`, which was sent with `seq`.
 *
 * Notifications (sequence 0) are skipped. An answer to another request, and invalid bytes, end the exchange with `EBADMSG`;
 * a dump that a change interrupted ends it with `EINTR`: ask again. Never throws.
 */
export const decode = (datagram: Uint8Array, seq: number, request: Request): Decoded => {
  const answers: Array<Answer> = []
  let interrupted = false
  try {
    for (const message of wire.messagesOf(datagram)) {
      if (message.sequence === 0) continue
      if (message.sequence !== seq) {
        return failed(answers, "EBADMSG", `an answer to request ${message.sequence}, expected ${seq}`)
      }
      if ((message.flags & NLM_F.DUMP_INTR) !== 0 && message.type !== NLMSG.ERROR) interrupted = true
      if (message.type !== NLMSG.ERROR && message.type !== NLMSG.DONE) {
        answers.push(...answersOf(message).filter((answer) => isWanted(request, answer)))
        continue
      }
      const error = errorOf(message)
      if (error !== undefined) return { done: true, error, answers }
      return interrupted ? failed(answers, "EINTR", "the list changed while it was read") : { done: true, answers }
    }
  } catch (cause) {
    if (cause instanceof wire.Malformed) return failed(answers, "EBADMSG", cause.message)
    throw cause
  }
  return interrupted ? failed(answers, "EINTR", "the list changed while it was read") : { done: false, answers }
}
