/**
 * Requests to rtnetlink(7) and its answers, as data.
 *
 * @category networks
 * @since 0.1.0
 */

/** A link, by name or by index. */
export type Link = string | number

/** One request. */
export type Request =
  /** `RTM_NEWLINK` with `IFLA_INFO_KIND` bridge. */
  | { readonly _tag: "BridgeAdd"; readonly name: string }
  /** `RTM_NEWLINK` with `IFLA_INFO_KIND` veth: both ends at once. */
  | {
    readonly _tag: "VethAdd"
    readonly name: string
    readonly peer: string
    /** Transmit queue length of both ends, in packets. */
    readonly txQueueLength?: number
    /**
     * Makes the peer in the network namespace of a process, by pid as the caller sees it. The peer never exists in the
     * caller's namespace, so nothing can race for its name there.
     */
    readonly peerNetnsPid?: number
    /** The same, by the descriptor of a network namespace. */
    readonly peerNetnsFd?: number
  }
  | { readonly _tag: "LinkDelete"; readonly link: Link }
  /** `RTM_GETLINK` of one link. */
  | { readonly _tag: "LinkGet"; readonly link: Link }
  /** `RTM_GETLINK` with `NLM_F_DUMP`. */
  | { readonly _tag: "LinkList" }
  /** `RTM_NEWLINK` on an existing link: only what is given changes. */
  | {
    readonly _tag: "LinkSet"
    readonly link: Link
    readonly up?: boolean
    readonly name?: string
    /** Six bytes in hexadecimal with colons. */
    readonly mac?: string
    /** In bytes. */
    readonly mtu?: number
    /** Index of the bridge; 0 removes the link from its bridge. */
    readonly master?: number
    /** The network namespace of a process, by pid as the caller sees it. */
    readonly netnsPid?: number
    /** A network namespace by descriptor. */
    readonly netnsFd?: number
    /** A text for people and programs, at most 255 bytes (`IFLA_IFALIAS`); an empty one removes it. */
    readonly alias?: string
  }
  | {
    readonly _tag: "AddressAdd"
    readonly link: Link
    /** In CIDR notation, IPv4 or IPv6. */
    readonly address: string
    /** IPv6 only: usable at once, without duplicate address detection (`IFA_F_NODAD`). */
    readonly nodad?: boolean
  }
  | { readonly _tag: "AddressList"; readonly link: Link }
  | {
    readonly _tag: "RouteAdd"
    /** In CIDR notation; left out for the default route. */
    readonly destination?: string
    /** The preferred source address. */
    readonly source?: string
    readonly gateway?: string
    readonly link?: Link
  }
  | { readonly _tag: "RouteList" }

/** One answer of a get or a dump. Changes answer with an empty list. */
export type Answer =
  | {
    readonly _tag: "Link"
    readonly index: number
    readonly name: string
    /** `IFF_*`. */
    readonly flags: number
    readonly mtu: number
    readonly mac: string
    readonly master: number | null
    /** `IFLA_INFO_KIND`: "veth", "bridge"; empty for physical devices and lo. */
    readonly kind: string
    /** `IFLA_IFALIAS`; empty if there is none. */
    readonly alias: string
  }
  | { readonly _tag: "Address"; readonly index: number; readonly address: string }
  | {
    readonly _tag: "Route"
    readonly destination: string | null
    readonly gateway: string | null
    readonly source: string | null
    readonly index: number | null
    readonly table: number
  }
