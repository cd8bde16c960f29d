/** Changing interfaces: bridges and their ports, states, sizes, addresses, rights. */
import { CLONE } from "../../../src/native/constants.ts"
import { type Scenario } from "../../support/parityLines.ts"
import { fork, line, link, see, uids } from "../../support/vocabulary.ts"
import { bridge, listed, look, names, remove, set, veth, withoutIpv6 } from "./lines.ts"

export const changes: Readonly<Record<string, Scenario>> = {
  "a bridge takes links that are no bridges and not lo": [
    bridge("br0"),
    bridge("br1"),
    veth("a", "b"),
    set("br1", { master: 2 }),
    set("br0", { master: 2 }),
    set("lo", { master: 2 }),
    set("a", { master: 2 }),
    set("a", { master: 2 }),
    set("a", { master: 3 }),
    look("a", "master"),
    set("a", { master: 0 }),
    look("a", "master"),
    set("a", { master: 0 })
  ],
  "a master must be there and take ports": [
    veth("a", "b"),
    set("a", { master: 77 }),
    set("a", { master: 2 }),
    set("a", { master: 1 }),
    look("a", "master")
  ],
  "a link goes up and down": [
    ...withoutIpv6,
    veth("a", "b"),
    set("a", { up: true }),
    listed,
    set("a", { up: true }),
    set("b", { up: true }),
    listed,
    set("a", { up: false }),
    look("a", "flags"),
    set("a", { up: false })
  ],
  "lo is up at once": [set("lo", { up: true }), look("lo", "flags"), set("lo", { up: false }), look("lo", "flags")],
  "a bridge has a carrier with a port that has one": [
    ...withoutIpv6,
    bridge("br0"),
    set("br0", { up: true }),
    look("br0", "flags"),
    veth("a", "b"),
    set("a", { master: 2, up: true }),
    look("br0", "flags"),
    set("b", { up: true }),
    look("br0", "flags"),
    look("a", "flags")
  ],
  "a bridge loses its carrier with its last port": [
    ...withoutIpv6,
    bridge("br0"),
    veth("a", "b"),
    set("br0", { up: true }),
    set("b", { up: true }),
    set("a", { master: 2, up: true }),
    look("br0", "flags"),
    set("a", { master: 0 }),
    look("br0", "flags"),
    set("a", { master: 2 }),
    look("br0", "flags"),
    remove("a"),
    look("br0", "flags", "mac")
  ],
  "a bridge that goes down and up": [
    ...withoutIpv6,
    bridge("br0"),
    set("br0", { up: true }),
    set("br0", { up: false }),
    look("br0", "flags"),
    veth("a", "b"),
    set("b", { up: true }),
    set("a", { up: true, master: 2 }),
    look("br0", "flags"),
    set("br0", { up: true }),
    look("br0", "flags"),
    set("br0", { up: false }),
    set("br0", { up: true }),
    look("br0", "flags")
  ],
  "a link that is up can be renamed": [
    ...withoutIpv6,
    veth("a", "b"),
    set("a", { up: true }),
    set("a", { name: "c" }),
    set("c", { name: "d", up: false }),
    names
  ],
  "a new name must be free and valid": [
    veth("a", "b"),
    set("a", { name: "b" }),
    set("a", { name: "a" }),
    set("a", { name: "x".repeat(16) }),
    set("a", { name: "x/y" }),
    set("a", { name: "" }),
    set("a", { name: "lo" }),
    set("lo", { name: "loop" }),
    names
  ],
  "a rename by number": [veth("a", "b"), set(3, { name: "z" }), names],
  "the MTU of a pair is from 68 to 65535": [0, 67, 68, 1500, 9000, 65535, 65536].flatMap((mtu) =>
    mtu === 0 ? [veth("a", "b"), set("a", { mtu })] : [set("a", { mtu }), look("a", "mtu")]
  ),
  "the MTU of a bridge is from 68 to 65535": [0, 67, 68, 65535, 65536].flatMap((mtu) =>
    mtu === 0 ? [bridge("a"), set("a", { mtu })] : [set("a", { mtu }), look("a", "mtu")]
  ),
  "the MTU of lo has no limits": [0, 1, 68, 65536, 2147483647, 2147483648, 4294967295].flatMap((
    mtu
  ) => [set("lo", { mtu }), look("lo", "mtu")]),
  "a bridge follows the lowest MTU of its ports": [
    bridge("br0"),
    veth("a", "b"),
    set("a", { mtu: 1400 }),
    set("a", { master: 2 }),
    look("br0", "mtu"),
    set("a", { mtu: 1300 }),
    look("br0", "mtu"),
    set("a", { master: 0 }),
    look("br0", "mtu")
  ],
  "a bridge whose MTU was set keeps it": [
    bridge("br0"),
    set("br0", { mtu: 1450 }),
    veth("a", "b"),
    set("a", { mtu: 1400, master: 2 }),
    look("br0", "mtu")
  ],
  "a bridge takes the lowest hardware address of its ports": [
    bridge("br0"),
    veth("a", "b"),
    veth("c", "d"),
    set("a", { mac: "02:00:00:00:00:05" }),
    set("c", { mac: "02:00:00:00:00:04" }),
    set("a", { master: 2 }),
    look("br0", "mac"),
    set("c", { master: 2 }),
    look("br0", "mac"),
    remove("c"),
    look("br0", "mac")
  ],
  "a bridge whose hardware address was set keeps it": [
    bridge("br0"),
    set("br0", { mac: "02:00:00:00:00:99" }),
    veth("a", "b"),
    set("a", { mac: "02:00:00:00:00:05", master: 2 }),
    look("br0", "mac")
  ],
  "a hardware address is no group's and not zero": [
    veth("a", "b"),
    set("a", { mac: "02:00:00:00:00:01" }),
    look("a", "mac"),
    set("a", { mac: "01:00:00:00:00:01" }),
    set("a", { mac: "ff:ff:ff:ff:ff:ff" }),
    set("a", { mac: "00:00:00:00:00:00" }),
    set("a", { mac: "02:00:00" }),
    set("a", { mac: "AA:BB:CC:DD:EE:FF" }),
    look("a", "mac"),
    set("b", { mac: "aa:bb:cc:dd:ee:ff" })
  ],
  "lo takes a hardware address": [
    set("lo", { mac: "02:00:00:00:00:01" }),
    look("lo", "mac"),
    set("lo", { mac: "01:00:00:00:00:01" })
  ],
  "a hardware address can change while the link is up": [
    ...withoutIpv6,
    veth("a", "b"),
    set("a", { up: true }),
    set("a", { mac: "02:00:00:00:00:01" }),
    look("a", "mac", "flags")
  ],
  "an alias is a text of at most 255 bytes": [
    veth("a", "b"),
    set("a", { alias: "who made it" }),
    look("a", "alias"),
    set("a", { alias: "x".repeat(255) }),
    set("a", { alias: "y".repeat(256) }),
    set("a", { alias: "" }),
    look("a", "alias")
  ],
  "what is before a refused part of a change stays": [
    veth("a", "b"),
    set("a", { mac: "02:00:00:00:00:01", mtu: 10 }),
    look("a", "mac", "mtu"),
    set("a", { mtu: 1400, name: "b" }),
    look("a", "mtu"),
    set("a", { name: "c", master: 77 }),
    names,
    set("c", { name: "d", up: true, master: 77 }),
    names
  ],
  "a name that is too long changes nothing": [
    veth("a", "b"),
    set("a", { mtu: 1300, name: "x".repeat(16) }),
    look("a", "mtu")
  ],
  "changes take CAP_NET_ADMIN, reads take nothing": [
    veth("a", "b"),
    fork(0, [
      uids(1000),
      names,
      look("a", "name"),
      bridge("x"),
      veth("x", "y"),
      remove("a"),
      set("a", { up: true }),
      link({ _tag: "AddressAdd", link: "a", address: "10.0.0.1/8" }),
      line("rtnetlink", { request: { _tag: "AddressList", link: "a" } }, see),
      link({ _tag: "RouteAdd", gateway: "10.0.0.1", link: "a" }),
      line("rtnetlink", { request: { _tag: "RouteList" } }, see)
    ])
  ],
  "a user namespace has no power over a network that it does not own": [
    fork(CLONE.NEWUSER, [
      bridge("x"),
      set("lo", { up: true }),
      link({ _tag: "AddressAdd", link: "lo", address: "10.0.0.1/8" }),
      names
    ])
  ],
  "a user namespace has power over a network of its own": [
    fork(CLONE.NEWUSER | CLONE.NEWNET, [bridge("x"), set("lo", { up: true }), veth("a", "b"), names])
  ],
  "a missing link comes before missing rights, or after": [
    fork(0, [uids(1000), set("no", { up: true }), remove("no"), bridge("x".repeat(16)), bridge("a/b")])
  ]
}
