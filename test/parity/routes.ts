/** Routes: those that come with addresses, and those that are added. */
import { CLONE } from "../../src/native/constants.ts"
import { type Line, type Scenario } from "../support/parityLines.ts"
import { fork, line, link, see, uids, write } from "../support/vocabulary.ts"

const add = (name: string | number, address: string, more = {}): Line =>
  link({ _tag: "AddressAdd", link: name, address, nodad: true, ...more })
const set = (name: string, fields: Readonly<Record<string, unknown>>): Line =>
  link({ _tag: "LinkSet", link: name, ...fields })
const route = (fields: Readonly<Record<string, unknown>>): Line => link({ _tag: "RouteAdd", ...fields })
/** Every route of the network, in any order. */
const all = line("rtnetlink", { request: { _tag: "RouteList" } }, { see: true, sorted: true })
const withoutIpv6: Scenario = [
  ...write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"),
  ...write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
]
/** A pair of links (2 is b, 3 is a) for IPv4 only; a is up with 10.0.0.2/24. */
const connected: Scenario = [
  ...withoutIpv6,
  link({ _tag: "VethAdd", name: "a", peer: "b" }),
  add("a", "10.0.0.2/24"),
  set("a", { up: true }),
  set("b", { up: true })
]
const connected6: Scenario = [
  link({ _tag: "VethAdd", name: "a", peer: "b" }),
  set("a", { mac: "02:00:00:00:00:0a", up: true }),
  set("b", { mac: "02:00:00:00:00:0b", up: true }),
  add("a", "fd00::2/64")
]

export const routes: Readonly<Record<string, Scenario>> = {
  "an address on a link that is down makes a local route only": [
    ...withoutIpv6,
    link({ _tag: "VethAdd", name: "a", peer: "b" }),
    add("a", "10.0.0.2/24"),
    all,
    set("a", { up: true }),
    all,
    set("a", { up: false }),
    all
  ],
  "an address on a link that is up brings its network": [...connected, add("a", "10.1.0.1/16"), all],
  "an address of 31 or 32 bits has no broadcast": [
    ...connected,
    add("a", "10.1.0.2/31"),
    add("a", "10.2.0.1/32"),
    add("a", "10.3.0.1/30"),
    all
  ],
  "a second address of a network brings a local route only": [...connected, add("a", "10.0.0.3/24"), all],
  "the same network on another link is another route": [...connected, add("b", "10.0.0.3/24"), all],
  "lo routes its network as local": [
    set("lo", { up: true }),
    all,
    set("lo", { up: false }),
    all,
    set("lo", { up: true }),
    all
  ],
  "lo that is down has no routes": [all],
  "an address on lo": [
    ...withoutIpv6,
    set("lo", { up: true }),
    add("lo", "10.0.0.1/24"),
    add("lo", "10.1.0.1/32"),
    all
  ],
  "a default route": [...connected, route({ gateway: "10.0.0.1", link: "a" }), all],
  "a default route written out": [
    ...connected,
    route({ destination: "0.0.0.0/0", gateway: "10.0.0.1", link: "a" }),
    route({ gateway: "10.0.0.1", link: "a" }),
    all
  ],
  "a gateway alone finds its link": [...connected, route({ gateway: "10.0.0.1" }), all],
  "a gateway must be on a network of the link": [
    ...connected,
    route({ gateway: "10.1.0.1", link: "a" }),
    route({ gateway: "10.1.0.1" }),
    route({ gateway: "10.0.0.1", link: "b" }),
    all
  ],
  "a gateway is not an own address": [
    ...connected,
    route({ gateway: "10.0.0.2", link: "a" }),
    route({ destination: "10.5.0.0/16", gateway: "10.0.0.2" }),
    route({ gateway: "127.0.0.1", link: "a" }),
    route({ gateway: "10.0.0.255", link: "a" }),
    all
  ],
  "a gateway through a route on the link": [
    ...connected,
    route({ destination: "10.9.0.0/16", link: "a" }),
    route({ gateway: "10.9.0.1", link: "a" }),
    all
  ],
  "a gateway through another gateway": [
    ...connected,
    route({ destination: "10.9.0.0/16", gateway: "10.0.0.1" }),
    route({ destination: "10.8.0.0/16", gateway: "10.9.0.1" }),
    route({ destination: "10.8.0.0/16", gateway: "10.9.0.1", link: "a" }),
    all
  ],
  "a gateway by the default route": [
    ...connected,
    route({ gateway: "10.0.0.1" }),
    route({ destination: "10.8.0.0/16", gateway: "10.9.0.1" }),
    all
  ],
  "a route is there once": [
    ...connected,
    route({ gateway: "10.0.0.1" }),
    route({ gateway: "10.0.0.1" }),
    route({ gateway: "10.0.0.3" }),
    route({ destination: "10.5.0.0/16", gateway: "10.0.0.1" }),
    route({ destination: "10.5.0.0/16", gateway: "10.0.0.3" }),
    route({ destination: "10.5.0.0/24", gateway: "10.0.0.3" }),
    route({ destination: "10.5.0.0/16", link: "b" })
  ],
  "the network of a link can't be added again": [
    ...connected,
    route({ destination: "10.0.0.0/24", link: "a" }),
    route({ destination: "10.0.0.0/24", link: "b" })
  ],
  "a route through a link that is down": [
    ...withoutIpv6,
    link({ _tag: "VethAdd", name: "a", peer: "b" }),
    add("a", "10.0.0.2/24"),
    route({ gateway: "10.0.0.1", link: "a" }),
    route({ gateway: "10.0.0.1" }),
    route({ destination: "10.5.0.0/16", link: "a" }),
    route({ destination: "10.5.0.0/16", link: "lo" }),
    all
  ],
  "a route through a link without a carrier": [
    ...withoutIpv6,
    link({ _tag: "VethAdd", name: "a", peer: "b" }),
    add("a", "10.0.0.2/24"),
    set("a", { up: true }),
    route({ gateway: "10.0.0.1", link: "a" }),
    route({ destination: "10.5.0.0/16", link: "a" }),
    all
  ],
  "a link that goes down takes its routes, and does not bring them back": [
    ...connected,
    route({ gateway: "10.0.0.1" }),
    route({ destination: "10.5.0.0/16", link: "a" }),
    set("a", { up: false }),
    all,
    set("a", { up: true }),
    all
  ],
  "a link that is deleted takes its routes": [
    ...connected,
    route({ gateway: "10.0.0.1" }),
    link({ _tag: "LinkDelete", link: "a" }),
    all
  ],
  "a route whose source is gone goes": [
    ...connected,
    add("b", "10.3.0.1/24"),
    route({ destination: "10.6.0.0/16", link: "a", source: "10.3.0.1" }),
    link({ _tag: "BridgeAdd", name: "br0" }),
    add("br0", "10.4.0.1/24"),
    set("br0", { up: true }),
    route({ destination: "10.7.0.0/16", link: "a", source: "10.4.0.1" }),
    link({ _tag: "LinkDelete", link: "br0" }),
    all
  ],
  "lo and IPv6": [
    set("lo", { up: true }),
    add("lo", "fd00::1/64"),
    add("lo", "fd01::1/128"),
    // the kernel adds the local routes a moment later
    line("nanosleep", { nanoseconds: 200_000_000n }, { quiet: true }),
    all,
    route({ destination: "fd05::/64", link: "lo" }),
    route({ destination: "fd06::/64", gateway: "fd00::5", link: "lo" }),
    all
  ],
  "IPv6: addresses given before the link is up": [
    link({ _tag: "VethAdd", name: "a", peer: "b" }),
    ...write("/proc/sys/net/ipv6/conf/b/disable_ipv6", "1"),
    set("a", { mac: "02:00:00:00:00:0a" }),
    add("a", "fd00::2/64"),
    // the kernel tells of it a moment later
    line("nanosleep", { nanoseconds: 20_000_000n }, { quiet: true }),
    all,
    set("a", { up: true }),
    all
  ],
  "bits behind the length are refused for IPv4": [
    ...connected,
    route({ destination: "10.5.0.1/16", gateway: "10.0.0.1" }),
    route({ destination: "10.5.0.1/32", gateway: "10.0.0.1" }),
    route({ destination: "10.0.0.0/0", gateway: "10.0.0.1" }),
    all
  ],
  "a preferred source is an address of this machine": [
    ...connected,
    set("lo", { up: true }),
    route({ destination: "10.5.0.0/16", link: "a", source: "10.0.0.77" }),
    route({ destination: "10.5.0.0/16", link: "a", source: "10.0.0.2" }),
    route({ destination: "10.6.0.0/16", link: "b", source: "10.0.0.2" }),
    route({ destination: "10.7.0.0/16", link: "b", source: "127.0.0.1" }),
    route({ destination: "10.8.0.0/16", link: "b", source: "127.0.0.99" }),
    all
  ],
  "a source alone": [...connected, route({ source: "10.0.0.2", link: "a" }), route({ source: "10.0.0.2" }), all],
  "a route needs a destination, a source or a gateway": [...connected, route({ link: "a" }), route({})],
  "a destination needs a way": [
    ...connected,
    route({ destination: "10.5.0.0/16" }),
    route({ destination: "fd05::/64" })
  ],
  "families do not mix": [
    ...connected,
    route({ destination: "10.5.0.0/16", gateway: "fd00::1", link: "a" }),
    route({ destination: "fd05::/64", gateway: "10.0.0.1", link: "a" }),
    route({ gateway: "10.0.0.1", source: "fd00::1", link: "a" })
  ],
  "texts that are no routes": [
    route({ destination: "10.0.0.0", link: "lo" }),
    route({ destination: "10.0.0.0/33", link: "lo" }),
    route({ gateway: "10.0.0.1/8", link: "lo" }),
    route({ source: "x", link: "lo" })
  ],
  "a link of a route must be there": [
    ...connected,
    route({ gateway: "10.0.0.1", link: "no" }),
    route({ gateway: "10.0.0.1", link: 77 }),
    route({ destination: "fd05::/64", link: 77 })
  ],
  "a group's addresses and others": [
    ...connected,
    route({ destination: "224.0.0.0/4", link: "a" }),
    route({ destination: "255.255.255.255/32", link: "a" }),
    route({ destination: "127.0.0.0/8", link: "a" }),
    route({ destination: "10.0.0.2/32", link: "a" }),
    route({ destination: "10.5.0.0/16", gateway: "224.0.0.1", link: "a" }),
    route({ destination: "10.5.0.0/16", gateway: "0.0.0.0", link: "a" }),
    all
  ],
  "a route by lo": [
    ...withoutIpv6,
    set("lo", { up: true }),
    route({ destination: "10.5.0.0/16", link: "lo" }),
    route({ destination: "10.6.0.0/16", gateway: "127.0.0.1", link: "lo" }),
    all
  ],
  "changes take CAP_NET_ADMIN": [
    ...connected,
    fork(0, [uids(1000), route({ gateway: "10.0.0.1" })]),
    fork(CLONE.NEWUSER, [route({ gateway: "10.0.0.1" })]),
    fork(CLONE.NEWUSER | CLONE.NEWNET, [set("lo", { up: true }), route({ destination: "10.5.0.0/16", link: "lo" })])
  ],
  "IPv6: an address that is usable at once brings its routes": [
    ...connected6,
    // the links' own addresses are looked for before they are used, and nobody knows how far that is by now
    line("nanosleep", { nanoseconds: 2_200_000_000n }),
    all
  ],
  "IPv6: a route is there once on each link": [
    ...connected6,
    add("b", "fd00::3/64"),
    route({ destination: "fd05::/64", gateway: "fd00::1", link: "a" }),
    route({ destination: "fd05::/64", gateway: "fd00::1", link: "a" }),
    route({ destination: "fd05::/64", gateway: "fd00::4", link: "a" }),
    route({ destination: "fd05::/64", gateway: "fd00::1", link: "b" }),
    route({ destination: "fd06::/64", link: "a" }),
    route({ destination: "fd06::/64", link: "a" }),
    route({ destination: "fd06::/64", link: "b" }),
    route({ destination: "fd00::/64", link: "a" })
  ],
  "IPv6: a default route": [
    ...connected6,
    route({ gateway: "fd00::1" }),
    route({ gateway: "fd00::1", link: "a" }),
    route({ destination: "::/0", gateway: "fd00::1", link: "a" }),
    route({ gateway: "fe80::1", link: "a" }),
    route({ gateway: "fe80::1" })
  ],
  "IPv6: a gateway must be on a network of the link": [
    ...connected6,
    route({ destination: "fd05::/64", gateway: "fd09::1", link: "a" }),
    route({ destination: "fd05::/64", gateway: "fd09::1" }),
    route({ destination: "fd05::/64", gateway: "fd00::1", link: "b" }),
    route({ destination: "fd05::/64", gateway: "fd00::2", link: "a" }),
    route({ destination: "fd05::/64", gateway: "ff02::1", link: "a" }),
    route({ destination: "fd05::/64", gateway: "::", link: "a" })
  ],
  "IPv6: a link that is down": [
    link({ _tag: "VethAdd", name: "a", peer: "b" }),
    add("a", "fd00::2/64"),
    route({ gateway: "fd00::1", link: "a" }),
    route({ gateway: "fe80::1", link: "a" }),
    route({ destination: "fd05::/64", link: "a" })
  ],
  "IPv6: bits behind the length are dropped": [
    ...connected6,
    route({ destination: "fd05::5/64", link: "a" }),
    route({ destination: "fd05::/64", link: "a" })
  ],
  "IPv6: a preferred source is an address of this machine": [
    ...connected6,
    route({ destination: "fd05::/64", link: "a", source: "fd00::2" }),
    route({ destination: "fd06::/64", link: "a", source: "fd00::77" }),
    route({ destination: "fd07::/64", link: "b", source: "fd00::2" })
  ],
  "IPv6: off on a link": [
    ...connected6,
    ...write("/proc/sys/net/ipv6/conf/a/disable_ipv6", "1"),
    route({ destination: "fd05::/64", link: "a" }),
    route({ gateway: "fd00::1", link: "a" })
  ],
  "a list is empty in a new network": [fork(CLONE.NEWNET, [line("rtnetlink", { request: { _tag: "RouteList" } }, see)])]
}
