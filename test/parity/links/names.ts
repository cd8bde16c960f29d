/** Making, naming and ending interfaces. */
import { type Scenario } from "../../support/parityLines.ts"
import { line, link, see } from "../../support/vocabulary.ts"
import { beside, bridge, listed, look, names, remove, set, veth } from "./lines.ts"

export const naming: Readonly<Record<string, Scenario>> = {
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
  ]
}
