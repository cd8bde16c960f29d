import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Network } from "../../../src/config/Container.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import { InNamespaces } from "../../../src/steps/init/facts.ts"
import { Init } from "../../../src/steps/init/Init.ts"
import { loopback } from "../../../src/steps/network/loopback.ts"
import { NetworkStrategies } from "../../../src/steps/network/NetworkStrategies.ts"
import type { Strategy } from "../../../src/steps/network/Strategy.ts"
import { setupNetwork } from "../../../src/steps/setupNetwork.ts"
import { scripted } from "../../support/scripted.ts"
import { init } from "../../support/steps.ts"
import { makeLinks } from "./links.ts"

const pipeline = Pipeline.make({ name: "test", doc: "", inputs: [Init, InNamespaces] }, setupNetwork)

const run = (networks: ReadonlyArray<Network>, kernel: ReturnType<typeof scripted>) =>
  Pipeline.run(pipeline).pipe(
    Effect.provideService(Init, init({ container: { networks } })),
    Effect.provideService(InNamespaces, true),
    Effect.provide(kernel.layer)
  )

const requests = (kernel: ReturnType<typeof scripted>) =>
  kernel.calls.map((call) => call._tag === "rtnetlink" ? call.request : call)

const full: Network = {
  strategy: "veth",
  name: "eth0",
  temporaryPeerName: "vethabcdef0",
  macAddress: "02:00:00:00:00:01",
  address: "10.9.0.2/24",
  gateway: "10.9.0.1",
  ipv6Address: "fd00::2/64",
  ipv6Gateway: "fd00::1",
  mtu: 1400
}

describe("setupNetwork", () => {
  it.effect("makes no call where there is no network", () =>
    Effect.gen(function*() {
      const kernel = scripted()
      yield* run([], kernel)
      assert.deepStrictEqual(kernel.calls, [])
    }))

  it.effect("takes loopback up, whatever addresses its configuration names", () =>
    Effect.gen(function*() {
      const kernel = scripted(makeLinks().on("container"))
      yield* run([{ strategy: "loopback", name: "lo", address: "localhost", gateway: "localhost" }], kernel)
      assert.deepStrictEqual(requests(kernel), [{ _tag: "LinkSet", link: "lo", up: true }])
    }))

  it.effect("renames the peer and sets its values before it takes it up, and adds gateways after", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      const { index } = links.add("vethabcdef0", "veth", "container")
      const kernel = scripted(links.on("container"))
      yield* run([full], kernel)
      assert.deepStrictEqual(requests(kernel), [
        { _tag: "LinkGet", link: "vethabcdef0" },
        { _tag: "LinkSet", link: index, name: "eth0", mac: "02:00:00:00:00:01", mtu: 1400 },
        { _tag: "AddressAdd", link: index, address: "10.9.0.2/24" },
        { _tag: "AddressAdd", link: index, address: "fd00::2/64", nodad: true },
        { _tag: "LinkSet", link: index, up: true },
        { _tag: "RouteAdd", gateway: "10.9.0.1", link: index },
        { _tag: "RouteAdd", gateway: "fd00::1", link: index }
      ])
    }))

  it.effect("only takes up a peer that has its name and for which nothing else is given", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      const { index } = links.add("eth0", "veth", "container")
      const kernel = scripted(links.on("container"))
      yield* run([{ strategy: "veth", name: "eth0" }], kernel)
      assert.deepStrictEqual(requests(kernel), [
        { _tag: "LinkGet", link: "eth0" },
        { _tag: "LinkSet", link: index, up: true }
      ])
    }))

  const bad: ReadonlyArray<readonly [Partial<Network>, string]> = [
    [{ macAddress: "01:00:5e:00:00:01" }, "macAddress: Multicast MAC Address is not supported: 01:00:5e:00:00:01"],
    [{ macAddress: "02:00:00" }, "macAddress: \"02:00:00\" is not six hexadecimal bytes with colons"],
    [{ address: "10.9.0.2" }, "address: \"10.9.0.2\" is not an IPv4 address in CIDR notation"],
    [{ address: "fd00::2/64" }, "address: \"fd00::2/64\" is not an IPv4 address in CIDR notation"],
    [{ ipv6Address: "10.9.0.2/24" }, "ipv6Address: \"10.9.0.2/24\" is not an IPv6 address in CIDR notation"],
    [{ gateway: "10.9.0.1/24" }, "gateway: \"10.9.0.1/24\" is not an IPv4 address"],
    [{ ipv6Gateway: "fd00::g" }, "ipv6Gateway: \"fd00::g\" is not an IPv6 address"],
    [{ temporaryPeerName: "a/b" }, "temporaryPeerName: \"a/b\" contains \"/\", \":\", \"%\", whitespace or NUL"]
  ]
  for (const [change, text] of bad) {
    it.effect(`refuses ${JSON.stringify(change)} before any call`, () =>
      Effect.gen(function*() {
        const kernel = scripted(makeLinks().on("container"))
        const error = yield* Effect.flip(run([{ ...full, ...change }], kernel))
        assert.strictEqual((error.reason as Error).message, `network "eth0" (veth): ${text}`)
        assert.deepStrictEqual(kernel.calls, [])
      }))
  }

  it.effect("names an unknown strategy and the known ones", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(run([{ strategy: "macvlan", name: "eth0" }], scripted()))
      assert.strictEqual(
        (error.reason as Error).message,
        "network \"eth0\": unknown strategy type \"macvlan\"; known are loopback, veth"
      )
      assert.match(error.advice ?? "", /NetworkStrategies/)
    }))

  it.effect("runs a consumer's strategy, in the order of the configuration", () =>
    Effect.gen(function*() {
      const order: Array<string> = []
      const mine: Strategy = {
        name: "mine",
        create: (network) => Effect.succeed({ network, links: [] }),
        initialize: ({ name }) => Effect.sync(() => void order.push(name)),
        remove: () => Effect.void
      }
      yield* run([{ strategy: "mine", name: "a" }, { strategy: "mine", name: "b" }], scripted()).pipe(
        Effect.provideService(NetworkStrategies, [mine, loopback])
      )
      assert.deepStrictEqual(order, ["a", "b"])
    }))

  it.effect("says what to do about a kernel's refusal", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(run([{ strategy: "loopback", name: "lo" }], scripted(() => "EPERM")))
      assert.match(error.message, /rtnetlink\(LinkSet\{"link":"lo","up":true\}\) = -1 EPERM/)
      assert.match(error.advice ?? "", /CAP_NET_ADMIN/)
    }))
})
