import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Network } from "../../../src/config/Container.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import * as Step from "../../../src/engine/Step.ts"
import { type Call, render } from "../../../src/native/Kernel.ts"
import {
  createNetworks,
  networkAdvice,
  networkCalls,
  removeNetworks
} from "../../../src/steps/network/createNetworks.ts"
import { interfaceNameProblem, temporaryName } from "../../../src/steps/network/interfaceName.ts"
import type { Created } from "../../../src/steps/network/Strategy.ts"
import { scripted } from "../../support/scripted.ts"
import { makeLinks } from "./links.ts"

const network: Network = {
  strategy: "veth",
  name: "eth0",
  bridge: "br0",
  createBridge: { address: "10.9.0.1/24" },
  hostInterfaceName: "host0",
  mtu: 1400,
  txQueueLength: 77
}

class Made extends Context.Service<Made, ReadonlyArray<Created>>()("Made") {}

const create = (networks: ReadonlyArray<Network>, answer: (call: Call) => unknown) => {
  const { calls, layer } = scripted(answer)
  const step = Step.make("createNetworks", {
    doc: "",
    calls: networkCalls,
    advice: networkAdvice,
    provides: Made,
    reversal: "compensated",
    run: createNetworks(networks, 42)
  })
  return Pipeline.run(Pipeline.make({ name: "test", doc: "", inputs: [] }, step)).pipe(
    Effect.map((context) => ({ created: Context.get(context, Made), calls })),
    Effect.provide(layer)
  )
}

const remove = (created: ReadonlyArray<Created>, answer: (call: Call) => unknown) =>
  Effect.provide(removeNetworks(created), scripted(answer).layer)

describe("createNetworks", () => {
  it.effect("makes the bridge and the pair, with the peer in the container at once", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      const { calls, created } = yield* create([network], links.on("host"))
      assert.deepStrictEqual([calls.slice(0, 2), calls.slice(-1)].flat().map(render), [
        "openat(AT_FDCWD, \"/proc/self/ns/net\", O_RDONLY|O_CLOEXEC, 00)",
        "flock(9, LOCK_NB|LOCK_EX)",
        "close(9)"
      ])
      const requests = calls.slice(2, -1).map((call) => call._tag === "rtnetlink" ? call.request : call)
      const [bridge, host] = [...links.all.values()].filter(({ name }) => name === "br0" || name === "host0")
      assert.deepStrictEqual(requests, [
        { _tag: "LinkGet", link: "br0" },
        { _tag: "BridgeAdd", name: "br0" },
        { _tag: "LinkGet", link: "br0" },
        { _tag: "LinkSet", link: bridge!.index, alias: "runfx" },
        { _tag: "AddressAdd", link: bridge!.index, address: "10.9.0.1/24", nodad: true },
        { _tag: "LinkSet", link: bridge!.index, up: true },
        { _tag: "VethAdd", name: "host0", peer: "eth0", peerNetnsPid: 42, txQueueLength: 77 },
        { _tag: "LinkGet", link: "host0" },
        { _tag: "LinkSet", link: host!.index, master: bridge!.index, mtu: 1400, up: true }
      ])
      assert.deepStrictEqual(links.names("container"), ["lo", "eth0"])
      // the record is plain data
      assert.deepStrictEqual(JSON.parse(JSON.stringify(created)), created)
      yield* remove(created, links.on("host"))
      assert.deepStrictEqual(links.names("host"), ["lo"])
      yield* remove(created, links.on("host"))
    }))

  it.effect("chooses a name where none is given, and uses the peer's temporary one", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      const { hostInterfaceName: _, ...rest } = network
      const { created } = yield* create([{ ...rest, temporaryPeerName: "veth0000001" }], links.on("host"))
      assert.strictEqual(created[0]!.network.hostInterfaceName, "vethabcdef1")
      assert.deepStrictEqual(links.names("host"), ["lo", "br0", "vethabcdef1"])
      assert.deepStrictEqual(links.names("container"), ["lo", "veth0000001"])
    }))

  it.effect("uses a bridge that is there, and leaves it", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      links.add("br0", "bridge", "host")
      const { created } = yield* create([network], links.on("host"))
      assert.deepStrictEqual(created[0]!.links.map(({ name }) => name), ["host0"])
      yield* remove(created, links.on("host"))
      assert.deepStrictEqual(links.names("host"), ["lo", "br0"])
    }))

  it.effect("keeps a bridge of ours as long as others are connected to it; the last one removes it", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      const first = yield* create([network], links.on("host"))
      const second = yield* create([{ ...network, name: "eth1", hostInterfaceName: "host1" }], links.on("host"))
      yield* remove(first.created, links.on("host"))
      assert.deepStrictEqual(links.names("host"), ["lo", "br0", "host1"])
      yield* remove(second.created, links.on("host"))
      assert.deepStrictEqual(links.names("host"), ["lo"])
    }))

  it.effect("does not remove a bridge that it did not ask to have made", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      const first = yield* create([network], links.on("host"))
      const { createBridge: _, ...rest } = network
      const guest = yield* create([{ ...rest, name: "eth1", hostInterfaceName: "host1" }], links.on("host"))
      yield* remove(first.created, links.on("host"))
      yield* remove(guest.created, links.on("host"))
      assert.deepStrictEqual(links.names("host"), ["lo", "br0"])
    }))

  it.effect("waits for the lock in bounded time", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      let waits = 0
      const answer = (free: number) => (call: Call) => {
        if (call._tag === "flock") return waits >= free ? undefined : "EAGAIN"
        if (call._tag === "nanosleep") return void waits++
        return links.on("host")(call)
      }
      yield* create([network], answer(5))
      assert.strictEqual(waits, 5)
      const error = yield* Effect.flip(create([{ ...network, name: "eth1" }], answer(Infinity)))
      assert.match(error.message, /still taken after 10/)
      assert.deepStrictEqual(links.names("host"), ["lo", "br0", "host0"])
    }))

  it.effect("never removes an interface that was there before, nor a later one of the same name", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      links.add("host0", "veth", "host")
      const error = yield* Effect.flip(create([network], links.on("host")))
      assert.match(error.message, /VethAdd.* = -1 EEXIST/)
      assert.deepStrictEqual(links.names("host"), ["lo", "host0"])

      const other = makeLinks()
      const { created } = yield* create([network], other.on("host"))
      for (const { index } of created[0]!.links) other.all.delete(index)
      other.add("host0", "veth", "host")
      other.add("br0", "bridge", "host")
      yield* remove(created, other.on("host"))
      assert.deepStrictEqual(other.names("host"), ["lo", "host0", "br0"])
    }))

  it.effect("leaves nothing behind whichever call fails", () =>
    Effect.gen(function*() {
      const networks = [network, { ...network, name: "eth1", hostInterfaceName: "host1", bridge: "br1" }]
      const { calls } = yield* create(networks, makeLinks().on("host"))
      for (let nth = 0; nth < calls.length; nth++) {
        const links = makeLinks()
        let count = 0
        const error = yield* Effect.flip(
          create(networks, (call) => count++ === nth ? "ENOBUFS" : links.on("host")(call))
        )
        assert.match(error.message, /ENOBUFS/, String(nth))
        assert.deepStrictEqual(links.names("host"), ["lo"], String(nth))
        assert.deepStrictEqual(error.rollback, [])
      }
    }))

  it.effect("removes the rest where one removal fails, and says which", () =>
    Effect.gen(function*() {
      const links = makeLinks()
      const networks = [network, { ...network, name: "eth1", hostInterfaceName: "host1" }]
      const { created } = yield* create(networks, links.on("host"))
      const host1 = created[1]!.links.at(-1)!.index
      const error = yield* Effect.flip(remove(created, (call) =>
        call._tag === "rtnetlink" && call.request._tag === "LinkDelete" && call.request.link === host1
          ? "EPERM"
          : links.on("host")(call)))
      assert.match(error.message, /EPERM/)
      assert.deepStrictEqual(links.names("host"), ["lo", "br0", "host1"])
    }))

  const bad: ReadonlyArray<readonly [Partial<Network>, RegExp]> = [
    [{ hostInterfaceName: "a-name-that-is-too-long" }, /hostInterfaceName: .* has 23 bytes/],
    [{ bridge: ".." }, /bridge: ".." is not allowed/],
    [{ createBridge: { address: "10.9.0.1" } }, /createBridge: "10.9.0.1" is not an address in CIDR notation/],
    [{ strategy: "nosuch" }, /unknown strategy type "nosuch"/]
  ]
  for (const [change, pattern] of bad) {
    it.effect(`refuses ${JSON.stringify(change)} before any call`, () =>
      Effect.gen(function*() {
        const calls: Array<Call> = []
        const error = yield* Effect.flip(create([{ ...network, ...change }], (call) => void calls.push(call)))
        assert.match(error.message, pattern)
        assert.deepStrictEqual(calls, [])
      }))
  }

  it.effect("needs a bridge, and one that is a bridge", () =>
    Effect.gen(function*() {
      const { bridge: _, ...rest } = network
      const none = yield* Effect.flip(create([rest], makeLinks().on("host")))
      assert.match(none.message, /bridge is not specified/)
      const links = makeLinks()
      links.add("br0", "dummy", "host")
      const wrong = yield* Effect.flip(create([network], links.on("host")))
      assert.match(wrong.message, /"br0" is there, but is not a bridge/)
    }))

  it("knows good names of interfaces from bad ones", () => {
    for (const good of ["eth0", "a", "veth-1.100", "fifteen-bytes-x", "ü"]) {
      assert.strictEqual(interfaceNameProblem(good), undefined, good)
    }
    for (const name of ["", ".", "..", "a/b", "a b", "a\tb", "a:b", "eth%d", "a\0", "sixteen-bytes-xx", "üüüüüüüü"]) {
      assert.isDefined(interfaceNameProblem(name), name)
    }
    assert.strictEqual(temporaryName(Uint8Array.of(0, 0x1a, 0xff, 0x0b, 9)), "veth001aff0")
  })
})
