/** Network interfaces: making, naming, changing, moving and ending them. */
import { AT, CLONE, MS, O, SIG } from "../../src/native/constants.ts"
import { cwd, type Line, type Scenario } from "../support/parity.ts"
import {
  fork,
  gate,
  join,
  kill,
  line,
  link,
  mount,
  open,
  openGate,
  pass,
  see,
  start,
  touch,
  uids,
  umount,
  unlink,
  waitFor,
  write
} from "../support/vocabulary.ts"

/** All flags but IFF_RUNNING, which follows the carrier at the kernel's leisure (linkwatch). */
const IFF = 0xfffbf
/** The parts of links that are the same on every run: all but the addresses that the kernel draws. */
const listed = line("rtnetlink", { request: { _tag: "LinkList" } }, {
  see: ["*.name", "*.index", `*.flags.&${IFF}`, "*.mtu"]
})
const names = line("rtnetlink", { request: { _tag: "LinkList" } }, { see: "*.name" })
const look = (name: string, ...parts: ReadonlyArray<string>): Line =>
  line("rtnetlink", { request: { _tag: "LinkGet", link: name } }, {
    see: parts.map((part) => part === "flags" ? `0.flags.&${IFF}` : `0.${part}`)
  })
const veth = (name: string, peer: string, more = {}): Line => link({ _tag: "VethAdd", name, peer, ...more })
const bridge = (name: string): Line => link({ _tag: "BridgeAdd", name })
const set = (name: string | number, fields: Readonly<Record<string, unknown>>): Line =>
  link({ _tag: "LinkSet", link: name, ...fields })
const remove = (name: string | number): Line => link({ _tag: "LinkDelete", link: name })
/** A process with a network namespace of its own, that looks around once it is let. */
const beside = (lines: Scenario, then: Scenario): Scenario => [
  gate("go"),
  start("other", CLONE.NEWNET, [pass("go"), ...then]),
  ...lines,
  openGate("go"),
  join("other")
]
const withoutIpv6: Scenario = [
  ...write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1"),
  ...write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1")
]

export const links: Readonly<Record<string, Scenario>> = {
  "a new network namespace has lo alone, and it is down": [
    listed,
    look("lo", "flags", "mtu", "mac", "kind", "master", "alias"),
    line("rtnetlink", { request: { _tag: "AddressList", link: "lo" } }, see),
    line("rtnetlink", { request: { _tag: "RouteList" } }, see)
  ],
  "a pair of links gets the next two numbers, the peer first": [veth("a", "b"), veth("c", "d"), listed],
  "a number is not used again at once": [veth("a", "b"), remove("a"), bridge("c"), listed],
  "a link has the name that it was given": [bridge("br0"), names, look("br0", "kind", "index", "mtu", "flags")],
  "a name is taken once": [bridge("x"), bridge("x"), veth("x", "y"), veth("y", "x"), veth("y", "y"), names],
  "a pair that can't be made uses up the number of its peer": [
    veth("a", "a"),
    veth("b", "c"),
    veth("b", "d"),
    veth("x/y", "e"),
    bridge("all"),
    bridge("f"),
    listed
  ],
  "a moved link that takes a number makes the next one higher": beside([
    veth("a", "b"),
    set("b", { netnsPid: "$other" })
  ], [
    veth("c", "d"),
    listed
  ]),
  "a name may be 15 bytes long": [
    bridge("x".repeat(15)),
    bridge("x".repeat(16)),
    bridge("ä".repeat(7)),
    bridge("ä".repeat(8))
  ],
  "a name has no slash, colon or space": ["a/b", "a:b", "a b", "a\tb", "a\nb", ".", "..", ""].map(bridge),
  "a name may have other odd letters": ["a.b", "-", "a%", "...", "ü", "all", "default"].map(bridge),
  "a name with %d asks for the first free number": [bridge("br%d"), bridge("br%d"), names],
  "a peer's name obeys the same rules": [
    veth("a", "b/c"),
    veth("a", "x".repeat(16)),
    veth("a", ".."),
    veth("x".repeat(16), "b"),
    names
  ],
  "a link that is not there is ENODEV": [
    look("no", "name"),
    set("no", { up: true }),
    set(77, { up: true }),
    remove("no"),
    remove(77),
    link({ _tag: "LinkGet", link: 77 }),
    link({ _tag: "AddressAdd", link: "no", address: "10.0.0.1/8" }),
    link({ _tag: "AddressAdd", link: 77, address: "10.0.0.1/8" }),
    link({ _tag: "AddressAdd", link: 77, address: "fd00::1/64" }),
    link({ _tag: "AddressList", link: "no" }),
    line("rtnetlink", { request: { _tag: "AddressList", link: 77 } }, see)
  ],
  "a link without name and number is refused": [
    link({ _tag: "LinkGet", link: "" }),
    link({ _tag: "LinkGet", link: 0 }),
    set(0, { up: true }),
    remove(0)
  ],
  "a request asks a name that is too long in vain": [
    look("x".repeat(16), "name"),
    remove("x".repeat(16)),
    set("x".repeat(16), { up: true })
  ],
  "deleting one end deletes the pair": [veth("a", "b"), remove("b"), names],
  "lo can't be deleted": [remove("lo"), remove(1), names],
  "deleting a bridge frees its ports": [
    bridge("br0"),
    veth("a", "b"),
    set("a", { master: 2 }),
    look("a", "master"),
    remove("br0"),
    look("a", "master"),
    names
  ],
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
  ],
  "a link moves to the namespace of a process": beside([
    veth("a", "b"),
    set("b", { netnsPid: "$other" }),
    names,
    look("a", "flags")
  ], [names, listed]),
  "a link moves to a namespace by descriptor": beside([
    veth("a", "b"),
    open("/proc/$other/ns/net", O.RDONLY, "net"),
    set("b", { netnsFd: "$net" }),
    names
  ], [names]),
  "a link is renamed as it moves": beside([
    veth("a", "b"),
    set("b", { netnsPid: "$other", name: "eth0" }),
    names
  ], [names]),
  "a link that moves goes down and out of its bridge, and loses its addresses": beside([
    ...withoutIpv6,
    bridge("br0"),
    veth("a", "b"),
    set("b", { up: true, master: 2 }),
    link({ _tag: "AddressAdd", link: "b", address: "10.0.0.1/24" }),
    set("b", { mtu: 1400 }),
    set("b", { netnsPid: "$other" }),
    names
  ], [
    look("b", "flags", "master", "mtu"),
    line("rtnetlink", { request: { _tag: "AddressList", link: "b" } }, see),
    line("rtnetlink", { request: { _tag: "RouteList" } }, see)
  ]),
  "a link that moves keeps its number where that is free": beside([
    veth("a", "b"),
    veth("c", "d"),
    set("d", { netnsPid: "$other" }),
    set("c", { netnsPid: "$other" })
  ], [listed]),
  "a link that moves gets another number where its own is taken": beside(
    [veth("a", "b"), set("a", { netnsPid: "$other" }), set("b", { netnsPid: "$other" })],
    [bridge("x"), listed]
  ),
  "a name that is taken there keeps a link here": [
    gate("go"),
    gate("made"),
    start("other", CLONE.NEWNET, [bridge("b"), openGate("made"), pass("go"), names]),
    pass("made"),
    veth("a", "b"),
    set("b", { netnsPid: "$other" }),
    set("b", { netnsPid: "$other", name: "c" }),
    names,
    openGate("go"),
    join("other")
  ],
  "lo and bridges do not move": beside([
    bridge("br0"),
    set("lo", { netnsPid: "$other" }),
    set("br0", { netnsPid: "$other" }),
    names
  ], [names]),
  "a namespace to move to must be there": [
    veth("a", "b"),
    touch("f"),
    open("f", O.RDONLY, "file"),
    open("/proc/self/ns/uts", O.RDONLY, "uts"),
    open("/proc/self/ns/net", O.RDONLY, "own"),
    set("a", { netnsPid: 4000000 }),
    set("a", { netnsFd: 400 }),
    set("a", { netnsFd: "$file" }),
    set("a", { netnsFd: "$uts" }),
    set("a", { netnsFd: "$own" }),
    set("a", { netnsFd: "$own", name: "c" }),
    names
  ],
  "a process that is over has no network": [
    start("gone", CLONE.NEWNET, []),
    join("gone"),
    veth("a", "b"),
    waitFor("$gone", 0x1000004),
    set("a", { netnsPid: "$gone" }),
    names
  ],
  "a peer is made in another namespace": beside([
    veth("a", "b", { peerNetnsPid: "$other" }),
    names,
    look("a", "index")
  ], [listed]),
  "a peer is made in another namespace by descriptor": beside([
    open("/proc/$other/ns/net", O.RDONLY, "net"),
    veth("a", "a", { peerNetnsFd: "$net" }),
    veth("c", "a", { peerNetnsFd: "$net" }),
    names
  ], [listed]),
  "a peer in a namespace that is not there": [
    veth("a", "b", { peerNetnsPid: 4000000 }),
    veth("a", "b", { peerNetnsFd: 400 }),
    touch("f"),
    open("f", O.RDONLY, "file"),
    veth("a", "b", { peerNetnsFd: "$file" }),
    names
  ],
  "a namespace takes its links with it, and their peers": [
    gate("go"),
    start("other", CLONE.NEWNET, [pass("go")]),
    veth("a", "b"),
    set("b", { netnsPid: "$other" }),
    names,
    kill("$other", SIG.KILL),
    waitFor("$other"),
    line("nanosleep", { nanoseconds: 150_000_000n }),
    names
  ],
  "a descriptor keeps a namespace, and a mount does": [
    gate("go"),
    start("other", CLONE.NEWNET, [pass("go")]),
    veth("a", "b"),
    set("b", { netnsPid: "$other" }),
    touch("ns"),
    mount("/proc/$other/ns/net", "ns", null, MS.BIND),
    kill("$other", SIG.KILL),
    waitFor("$other"),
    line("nanosleep", { nanoseconds: 150_000_000n }),
    names,
    open("ns", O.RDONLY, "net"),
    umount("ns"),
    unlink("ns"),
    names,
    fork(0, [line("setns", { fd: "$net", nstype: CLONE.NEWNET }), names]),
    line("close", { fd: "$net" }),
    line("nanosleep", { nanoseconds: 150_000_000n }),
    names
  ],
  "one with rights here needs them there as well": [
    // the child's network belongs to its user namespace, the parent's does not
    fork(CLONE.NEWUSER | CLONE.NEWNET, [
      veth("a", "b"),
      set("b", { netnsPid: 1 }),
      names,
      veth("c", "d", { peerNetnsPid: 1 }),
      names
    ])
  ],
  "the owner above may move a link into a network below": [
    gate("go"),
    start("other", CLONE.NEWUSER | CLONE.NEWNET, [pass("go"), names, remove("b"), names]),
    veth("a", "b"),
    set("b", { netnsPid: "$other" }),
    openGate("go"),
    join("other"),
    names
  ],
  "a network's files say which one it is": [
    line("statx", { dirfd: cwd, path: "/proc/self/ns/net", flags: AT.SYMLINK_NOFOLLOW, mask: 0x7ff }, { see: "mode" }),
    line("readlinkat", { dirfd: cwd, path: "/proc/self/ns/net" })
  ]
}
