/** Interfaces that move to another network namespace, and those that end with theirs. */
import { AT, CLONE, MS, O, SIG } from "../../../src/native/constants.ts"
import { cwd, type Scenario } from "../../support/parityLines.ts"
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
  umount,
  unlink,
  waitFor
} from "../../support/vocabulary.ts"
import { beside, bridge, listed, look, names, remove, set, veth, withoutIpv6 } from "./lines.ts"

export const moves: Readonly<Record<string, Scenario>> = {
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
