/** Addresses of network interfaces. */
import { CLONE } from "../../src/native/constants.ts"
import { type Line, type Scenario } from "../support/parityLines.ts"
import { fork, gate, join, line, link, openGate, pass, see, start, write } from "../support/vocabulary.ts"

const add = (name: string | number, address: string, more = {}): Line =>
  link({ _tag: "AddressAdd", link: name, address, ...more })
const of = (name: string): Line =>
  line("rtnetlink", { request: { _tag: "AddressList", link: name } }, { see: "*.address" })
const set = (name: string, fields: Readonly<Record<string, unknown>>): Line =>
  link({ _tag: "LinkSet", link: name, ...fields })
const pair: Scenario = [
  link({ _tag: "VethAdd", name: "a", peer: "b" }),
  set("a", { mac: "02:00:00:00:00:0a" }),
  set("b", { mac: "02:00:00:00:00:0b" })
]
const withoutIpv6: Scenario = [
  ...write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"),
  ...write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
]

export const addresses: Readonly<Record<string, Scenario>> = {
  "an address is on its link once": [
    ...pair,
    add("a", "10.0.0.1/24"),
    add("a", "10.0.0.1/24"),
    add("a", "fd00::1/64"),
    add("a", "fd00::1/64"),
    of("a")
  ],
  "the same IPv4 address may have several lengths, an IPv6 address one": [
    ...pair,
    add("a", "10.0.0.1/24"),
    add("a", "10.0.0.1/16"),
    add("a", "10.0.0.1/32"),
    add("a", "fd00::1/64"),
    add("a", "fd00::1/128"),
    of("a")
  ],
  "two links may have the same IPv4 address, and the same IPv6 address": [
    ...pair,
    add("a", "10.0.0.1/24"),
    add("b", "10.0.0.1/24"),
    add("a", "fd00::1/64"),
    add("b", "fd00::1/64"),
    of("a"),
    of("b")
  ],
  "addresses of one network stand together": [
    ...pair,
    add("a", "10.0.0.1/24"),
    add("a", "10.1.0.1/24"),
    add("a", "10.0.0.2/24"),
    add("a", "10.1.0.2/24"),
    add("a", "10.2.0.1/16"),
    of("a")
  ],
  "a length is within the family's": [
    ...pair,
    add("a", "10.0.0.1/0"),
    add("a", "10.0.0.1/32"),
    add("a", "10.0.0.1/33"),
    add("a", "fd00::1/0"),
    add("a", "fd00::2/128"),
    add("a", "fd00::1/129"),
    of("a")
  ],
  "odd IPv4 addresses": [
    ...pair,
    add("a", "0.0.0.0/0"),
    add("a", "0.0.0.0/8"),
    add("a", "127.0.0.5/8"),
    add("a", "224.0.0.1/4"),
    add("a", "255.255.255.255/32"),
    add("a", "10.0.0.0/24"),
    add("a", "10.0.0.255/24"),
    of("a")
  ],
  "an IPv6 address is no group's": [
    ...pair,
    add("a", "ff02::1/64"),
    add("a", "::/64"),
    add("a", "::1/128"),
    add("lo", "::1/128"),
    add("a", "fe80::1/64"),
    of("a")
  ],
  "a text that is no address": [
    "",
    "10.0.0.1",
    "10.0.0/8",
    "10.0.0.1/x",
    "10.0.0.256/8",
    "fd00:::1/64",
    "fd00::1/",
    "1.2.3.4/-1"
  ].map((text) => add("lo", text)),
  "an address in other writing is the same": [
    ...pair,
    add("a", "FD00:0:0::01/64"),
    add("a", "fd00::1/64"),
    add("a", "::ffff:10.0.0.1/128"),
    add("a", "10.0.0.1/32"),
    of("a")
  ],
  "lo gets its addresses as it goes up": [
    of("lo"),
    set("lo", { up: true }),
    of("lo"),
    set("lo", { up: false }),
    of("lo"),
    set("lo", { up: true }),
    of("lo")
  ],
  "lo that has an address gets 127.0.0.1 as well": [add("lo", "10.0.0.1/32"), set("lo", { up: true }), of("lo")],
  "lo that has 127.0.0.1 keeps it": [
    add("lo", "127.0.0.1/8"),
    set("lo", { up: true }),
    of("lo"),
    add("lo", "127.0.0.1/8"),
    add("lo", "127.0.0.2/8"),
    of("lo")
  ],
  "a network of lo has the scope of its first address": [
    set("lo", { up: true }),
    add("lo", "127.0.0.2/8"),
    add("lo", "127.0.0.2/16"),
    add("lo", "127.0.0.2/32"),
    of("lo")
  ],
  "addresses on lo": [
    add("lo", "fd00::1/64"),
    set("lo", { up: true }),
    of("lo"),
    add("lo", "fd00::2/64"),
    add("lo", "fe80::1/64"),
    of("lo"),
    set("lo", { up: false }),
    of("lo")
  ],
  "lo without IPv6 gets its IPv4 address": [
    ...withoutIpv6,
    set("lo", { up: true }),
    of("lo"),
    add("lo", "fd00::1/128")
  ],
  "a link that is up has an address of its own for IPv6": [
    ...pair,
    set("a", { up: true }),
    of("a"),
    set("b", { up: true }),
    of("a"),
    of("b"),
    set("a", { up: false }),
    of("a"),
    of("b")
  ],
  "a link that goes down keeps IPv4 and loses IPv6": [
    ...pair,
    add("a", "10.0.0.1/24"),
    add("a", "fd00::1/64", { nodad: true }),
    set("a", { up: true }),
    set("b", { up: true }),
    of("a"),
    set("a", { up: false }),
    of("a")
  ],
  "a link that was never up keeps IPv6": [...pair, add("a", "fd00::1/64"), set("a", { up: false }), of("a")],
  "IPv6 that is off takes its addresses along": [
    ...pair,
    add("a", "fd00::1/64"),
    ...write("/proc/sys/net/ipv6/conf/a/disable_ipv6", "1"),
    of("a"),
    add("a", "fd00::1/64"),
    ...write("/proc/sys/net/ipv6/conf/a/disable_ipv6", "0"),
    of("a"),
    add("a", "fd00::1/64"),
    of("a")
  ],
  "IPv6 off for all is off for each": [
    ...pair,
    add("a", "fd00::1/64"),
    ...write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"),
    of("a"),
    add("a", "fd00::1/64"),
    set("a", { up: true }),
    set("b", { up: true }),
    of("a")
  ],
  "IPv6 off by default is off for links to come": [
    ...pair,
    ...write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1"),
    add("a", "fd00::1/64"),
    link({ _tag: "BridgeAdd", name: "br0" }),
    add("br0", "fd00::1/64"),
    of("br0")
  ],
  "a link with an MTU below 1280 has no IPv6": [
    ...pair,
    set("a", { mtu: 1279 }),
    add("a", "fd00::1/64"),
    set("a", { mtu: 1280 }),
    add("a", "fd00::1/64"),
    of("a"),
    set("a", { mtu: 1279 }),
    of("a"),
    add("a", "10.0.0.1/24"),
    set("a", { mtu: 68 }),
    set("a", { mtu: 1500 }),
    of("a")
  ],
  "lo gets its addresses when it goes up, and by no MTU": [
    ...[10, 100, 1000, 1279, 1280].flatMap((mtu) =>
      [true, false].flatMap((first) => [
        ...first ? [set("lo", { up: true, mtu })] : [set("lo", { up: true }), set("lo", { mtu })],
        of("lo"),
        set("lo", { mtu: 1400 }),
        of("lo"),
        set("lo", { up: false }),
        of("lo")
      ])
    ),
    set("lo", { up: true }),
    add("lo", "10.0.0.1/24"),
    set("lo", { mtu: 60 }),
    set("lo", { mtu: 2000 }),
    add("lo", "10.0.0.1/24"),
    add("lo", "::1/128"),
    of("lo")
  ],
  "addresses of a name that changed": [...pair, add("a", "10.0.0.1/24"), set("a", { name: "c" }), of("a"), of("c")],
  "an address needs a link": [add("no", "10.0.0.1/24"), add(77, "10.0.0.1/24"), of("no")],
  "addresses belong to a network": [
    ...pair,
    gate("go"),
    start("other", CLONE.NEWNET, [pass("go"), of("b"), add("b", "10.0.0.2/24"), add("b", "fd00::2/64"), of("b")]),
    add("b", "10.0.0.1/24"),
    add("b", "fd00::1/64"),
    set("b", { netnsPid: "$other" }),
    openGate("go"),
    join("other")
  ],
  "root of a user namespace gives its own links addresses": [
    fork(CLONE.NEWUSER | CLONE.NEWNET, [add("lo", "10.0.0.1/24"), of("lo")]),
    fork(CLONE.NEWUSER, [add("lo", "10.0.0.1/24"), of("lo")])
  ],
  "a list names the link": [
    ...pair,
    add("a", "10.0.0.1/24"),
    line("rtnetlink", { request: { _tag: "AddressList", link: "a" } }, see),
    line("rtnetlink", { request: { _tag: "AddressList", link: "b" } }, see)
  ]
}
