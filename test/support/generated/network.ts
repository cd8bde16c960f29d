/** Links, addresses and routes. */
import * as fc from "fast-check"
import { type Scenario } from "../parityLines.ts"
import { line } from "../vocabulary.ts"
import { becomeSomebody, from, type Steps, weighted } from "./parts.ts"
import { sequence } from "./sequences.ts"

const linkNames = from("v", "w", "x", "br", "lo", "nothing")
const newNames = from("v", "w", "x", "br", "y", "a-name-that-is-too-long", "a/b", "")
const addresses = from("10.0.0.1/24", "10.0.0.2/24", "10.1.0.1/16", "127.0.0.5/8", "192.168.0.1/32")

const request = (
  tag: string,
  of: Readonly<Record<string, fc.Arbitrary<unknown>>>,
  requiredKeys?: ReadonlyArray<string>
): Steps =>
  fc.record(of, requiredKeys === undefined ? {} : { requiredKeys: [...requiredKeys] }).map((fields): Scenario => [
    line("rtnetlink", { request: { _tag: tag, ...fields as object } })
  ])

const networkStep: Steps = weighted(
  [3, request("BridgeAdd", { name: newNames })],
  [4, request("VethAdd", { name: newNames, peer: newNames })],
  [1, request("LinkDelete", { link: linkNames })],
  [
    8,
    request("LinkSet", {
      link: linkNames,
      up: fc.boolean(),
      name: newNames,
      mac: from("02:00:00:00:00:05", "03:00:00:00:00:05", "00:00:00:00:00:00"),
      mtu: from(1400, 10, 70000, 1500, 65535),
      master: from(0, 1, 2, 3, 4, 5),
      alias: from("text", "")
    }, ["link"])
  ],
  [6, request("AddressAdd", { link: linkNames, address: addresses })],
  [
    5,
    request("RouteAdd", {
      destination: from("10.5.0.0/16", "10.0.0.0/24", "10.0.0.1/32", "10.6.0.1/16"),
      gateway: from("10.0.0.1", "10.0.0.9", "10.1.0.7", "10.9.0.1", "127.0.0.1"),
      link: linkNames,
      source: from("10.0.0.1", "10.0.0.2", "10.0.0.77")
    }, [])
  ],
  [
    2,
    fc.constant([
      line("rtnetlink", { request: { _tag: "LinkList" } }, {
        see: ["*.name", "*.index", "*.mtu", "*.master", "*.alias", "*.flags.&1"]
      })
    ])
  ],
  // no list of routes: those of IPv6 come once an address has been looked for on the link
  [1, becomeSomebody]
)

export const network = sequence(networkStep, [
  line("rtnetlink", { request: { _tag: "BridgeAdd", name: "br" } }),
  line("rtnetlink", { request: { _tag: "VethAdd", name: "v", peer: "w" } }),
  line("rtnetlink", { request: { _tag: "LinkSet", link: "v", up: true } }),
  line("rtnetlink", { request: { _tag: "AddressAdd", link: "v", address: "10.0.0.1/24" } })
])
