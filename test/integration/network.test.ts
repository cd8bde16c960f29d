/**
 * The network's steps on the real kernel, in two scratch network namespaces that stand for the host and the container;
 * looked at from outside with ip(8).
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { execFileSync, spawnSync } from "node:child_process"
import type { Network, Route } from "../../src/config/Container.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import * as c from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { type Kernel, sys } from "../../src/native/Kernel.ts"
import * as Linux from "../../src/native/linux/Linux.ts"
import { InNamespaces, NetworkUp } from "../../src/steps/init/facts.ts"
import { Init } from "../../src/steps/init/Init.ts"
import { createNetworks, networkCalls, removeNetworks } from "../../src/steps/network/createNetworks.ts"
import type { Created } from "../../src/steps/network/Strategy.ts"
import { setupNetwork } from "../../src/steps/setupNetwork.ts"
import { setupRoute } from "../../src/steps/setupRoute.ts"
import { inChild } from "../support/child.ts"
import { isolate } from "../support/host.ts"
import { init } from "../support/steps.ts"

// ── two namespaces ───────────────────────────────────────────────────────────────────────────────────────────────────

/** A process that only holds a new network namespace, for as long as the scope. */
const namespace = Effect.acquireRelease(
  Effect.flatMap(Fork, (fork) =>
    fork.spawn(
      c.CLONE.NEWNET,
      Effect.andThen(
        sys.prctl({ option: c.PR.SET_PDEATHSIG, arg2: c.SIG.KILL, arg3: 0, arg4: 0, arg5: 0 }),
        sys.nanosleep({ nanoseconds: 300_000_000_000n })
      )
    )),
  (pid) =>
    Effect.orDie(Effect.andThen(
      sys.kill({ pid, signal: c.SIG.KILL }),
      sys.waitid({ idtype: c.P.PID, id: pid, options: c.W.EXITED })
    ))
)

const namespaces = Effect.all({ host: namespace, container: namespace })

const enter = (pid: number) =>
  Effect.gen(function*() {
    const fd = yield* sys.openat({
      dirfd: c.AT.FDCWD,
      path: `/proc/${pid}/ns/net`,
      flags: c.O.RDONLY | c.O.CLOEXEC,
      mode: 0
    })
    yield* sys.setns({ fd, nstype: c.CLONE.NEWNET })
    yield* sys.close({ fd })
  })

const within = <A>(pid: number, effect: Effect.Effect<A, unknown, Kernel | Fork>) =>
  inChild(0, Effect.andThen(enter(pid), effect))

const request = (request: Parameters<typeof sys.rtnetlink>[0]["request"]) => sys.rtnetlink({ request })

// ── what is tested ───────────────────────────────────────────────────────────────────────────────────────────────────

class Made extends Context.Service<Made, ReadonlyArray<Created>>()("Made") {}

const reasonOf = <A, E extends { readonly reason: unknown }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.mapError(effect, ({ reason }) => reason)

const create = (networks: ReadonlyArray<Network>, initPid: number) =>
  Pipeline.run(Pipeline.make(
    { name: "test", doc: "", inputs: [] },
    Step.make("createNetworks", {
      doc: "",
      calls: networkCalls,
      provides: Made,
      reversal: "compensated",
      run: createNetworks(networks, initPid)
    })
  )).pipe(reasonOf, Effect.map((context) => Context.get(context, Made)))

const setup = (networks: ReadonlyArray<Network>) =>
  Pipeline.run(Pipeline.make({ name: "test", doc: "", inputs: [Init, InNamespaces] }, setupNetwork)).pipe(
    reasonOf,
    Effect.provideService(Init, init({ container: { networks } })),
    Effect.provideService(InNamespaces, true),
    Effect.asVoid
  )

const route = (...routes: ReadonlyArray<Route>) =>
  Pipeline.run(Pipeline.make({ name: "test", doc: "", inputs: [Init, NetworkUp] }, setupRoute)).pipe(
    reasonOf,
    Effect.provideService(Init, init({ container: { routes } })),
    Effect.provideService(NetworkUp, true),
    Effect.asVoid
  )

// ── seen from outside ────────────────────────────────────────────────────────────────────────────────────────────────

type Row = Readonly<Record<string, any>>

const ip = (pid: number, ...args: ReadonlyArray<string>): ReadonlyArray<Row> => {
  const text = execFileSync("nsenter", ["-t", String(pid), "-n", "ip", "-j", "-d", ...args], { encoding: "utf8" })
  return text.trim() === "" ? [] : JSON.parse(text) as ReadonlyArray<Row>
}

const names = (pid: number): ReadonlyArray<string> => ip(pid, "link").map((row) => row["ifname"] as string)

const link = (pid: number, name: string): Row => ip(pid, "addr", "show", "dev", name)[0]!

const addresses = (row: Row): ReadonlyArray<string> =>
  (row["addr_info"] as ReadonlyArray<Row>)
    .filter(({ scope }) => scope !== "link")
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)

const hostLinks = (): string => execFileSync("ip", ["-br", "link"], { encoding: "utf8" })

const network: Network = {
  strategy: "veth",
  name: "eth0",
  bridge: "br0",
  createBridge: { address: "10.9.0.1/24" },
  hostInterfaceName: "host0",
  temporaryPeerName: "veth0123456",
  macAddress: "02:00:00:00:00:07",
  address: "10.9.0.2/24",
  gateway: "10.9.0.1",
  ipv6Address: "fd00::2/64",
  ipv6Gateway: "fd00::1",
  mtu: 1400,
  txQueueLength: 77
}

const tools = spawnSync("ip", ["-V"]).status === 0 && spawnSync("nsenter", ["-V"]).status === 0
const reason = process.getuid?.() !== 0 ? "needs root" : tools ? undefined : "needs ip(8) and nsenter(1)"
if (reason !== undefined) console.log(`skipped: ${reason}`)

describe.skipIf(reason !== undefined)("the network's steps", () => {
  const test = (
    name: string,
    body: (pids: { readonly host: number; readonly container: number }) => Effect.Effect<void, unknown, Kernel | Fork>
  ) => {
    it.effect(name, () => Effect.scoped(Effect.flatMap(namespaces, body)).pipe(Effect.provide(Linux.layer)))
  }

  let before = ""
  beforeAll(async () => {
    // other tests make and remove interfaces of the host meanwhile
    await Effect.runPromise(isolate)
    before = hostLinks()
  })

  test("give a container loopback and a pair of interfaces", ({ container, host }) =>
    Effect.gen(function*() {
      const created = yield* within(host, create([network], container))

      const bridge = link(host, "br0")
      assert.include(bridge["flags"], "UP")
      assert.deepStrictEqual(addresses(bridge), ["10.9.0.1/24"])
      const outer = link(host, "host0")
      assert.deepStrictEqual([outer["master"], outer["mtu"], outer["txqlen"]], ["br0", 1400, 77])
      assert.include(outer["flags"], "UP")
      const peer = link(container, "veth0123456")
      assert.notInclude(peer["flags"], "UP")
      assert.strictEqual(peer["txqlen"], 77)

      yield* within(container, setup([{ strategy: "loopback", name: "lo" }, network]))

      assert.deepStrictEqual(names(container), ["lo", "eth0"])
      assert.include(link(container, "lo")["flags"], "UP")
      assert.deepStrictEqual(addresses(link(container, "eth0")), ["10.9.0.2/24", "fd00::2/64"])
      const inner = link(container, "eth0")
      assert.deepStrictEqual([inner["address"], inner["mtu"]], ["02:00:00:00:00:07", 1400])
      assert.includeMembers(inner["flags"], ["UP", "LOWER_UP", "MULTICAST", "BROADCAST"])
      // usable at once: no duplicate address detection
      assert.isFalse(
        (inner["addr_info"] as ReadonlyArray<Row>).some(({ local, tentative }) => local === "fd00::2" && tentative)
      )
      const via = (...args: ReadonlyArray<string>) => {
        const { dev, gateway } = ip(container, ...args, "route", "show", "default")[0]!
        return [gateway, dev]
      }
      assert.deepStrictEqual(via(), ["10.9.0.1", "eth0"])
      assert.deepStrictEqual(via("-6"), ["fd00::1", "eth0"])
      // packets reach the bridge's address: nobody listens there, and the other side says so
      const dial = spawnSync("nsenter", ["-t", String(container), "-n", "bash", "-c", "echo > /dev/tcp/10.9.0.1/1"])
      assert.match(String(dial.stderr), /Connection refused/)

      yield* within(host, removeNetworks(created))
      assert.deepStrictEqual(names(host), ["lo"])
      assert.deepStrictEqual(names(container), ["lo"])
      yield* within(host, removeNetworks(created))
    }))

  test("leave the MTU and all flags alone where nothing is asked", ({ container, host }) =>
    Effect.gen(function*() {
      const plain: Network = { strategy: "veth", name: "eth0", bridge: "br0", createBridge: { address: "fd09::1/64" } }
      const [created] = yield* within(host, create([plain], container))
      assert.match(created!.network.hostInterfaceName ?? "", /^veth[0-9a-f]{7}$/)
      assert.deepStrictEqual(names(container), ["lo", "eth0"])
      yield* within(container, setup([plain]))
      const inner = link(container, "eth0")
      assert.strictEqual(inner["mtu"], 1500)
      assert.deepStrictEqual(addresses(inner), [])
      assert.deepStrictEqual(addresses(link(host, "br0")), ["fd09::1/64"])
    }))

  test("touch nothing that was there before", ({ container, host }) =>
    Effect.gen(function*() {
      yield* within(host, request({ _tag: "VethAdd", name: "host0", peer: "other" }))
      const error = yield* Effect.flip(within(host, create([network], container)))
      assert.deepInclude(error, { code: "EEXIST" })
      assert.sameMembers([...names(host)], ["lo", "host0", "other"])

      const { createBridge: _, ...rest } = network
      const none = yield* Effect.flip(within(host, create([{ ...rest, hostInterfaceName: "host1" }], container)))
      assert.deepInclude(none, { code: "ENODEV" })
      const wrong = yield* Effect.flip(within(host, create([{ ...network, bridge: "other" }], container)))
      assert.match(wrong.message, /"other" is there, but is not a bridge/)
      assert.sameMembers([...names(host)], ["lo", "host0", "other"])
    }))

  test("take back the first networks where a later one fails", ({ container, host }) =>
    Effect.gen(function*() {
      const second: Network = {
        ...network,
        name: "eth1",
        hostInterfaceName: "host1",
        temporaryPeerName: "eth1",
        mtu: 5
      }
      const error = yield* Effect.flip(within(host, create([network, second], container)))
      assert.deepInclude(error, { code: "EINVAL" })
      assert.match(error.message, /mtu less than device minimum/)
      assert.deepStrictEqual(names(host), ["lo"])
      assert.deepStrictEqual(names(container), ["lo"])
    }))

  test("share one bridge among many that start and end at the same time", ({ container, host }) =>
    Effect.gen(function*() {
      const fork = yield* Fork
      const all = (each: (index: number) => Effect.Effect<unknown, unknown, Kernel | Fork>) =>
        Effect.gen(function*() {
          const pids: Array<number> = []
          for (let index = 0; index < 12; index++) {
            pids.push(
              yield* fork.spawn(
                0,
                Effect.gen(function*() {
                  yield* enter(host)
                  yield* each(index)
                  yield* sys.exit_group({ status: 0 })
                }).pipe(Effect.catchCause((cause) =>
                  Effect.andThen(sys.write({ fd: 2, data: Buffer.from(`${cause}\n`) }), sys.exit_group({ status: 1 }))
                ))
              )
            )
          }
          const ends = yield* Effect.forEach(pids, (id) =>
            sys.waitid({ idtype: c.P.PID, id, options: c.W.EXITED }))
          return ends.map((end) => end?.status)
        })
      const one = (index: number): Network => ({
        strategy: "veth",
        name: `eth${index}`,
        hostInterfaceName: `host${index}`,
        bridge: "br0",
        createBridge: { address: "10.9.0.1/24" }
      })
      assert.deepStrictEqual(
        yield* all((index) => create([one(index)], container)),
        Array.from({ length: 12 }, () => 0)
      )
      assert.strictEqual(link(host, "br0")["ifalias"], "runfx")
      const rows = ip(host, "link")
      assert.lengthOf(rows.filter(({ master }) => master === "br0"), 12)
      assert.deepStrictEqual(addresses(link(host, "br0")), ["10.9.0.1/24"])
      assert.include(link(host, "br0")["flags"], "UP")
      // and the whole life of each, over and over, while the others come and go
      const lives = (index: number) =>
        Effect.gen(function*() {
          for (let life = 0; life < 5; life++) {
            const name = `b${index}`
            const mine = { ...one(index), name, hostInterfaceName: name, bridge: "br1" }
            yield* removeNetworks(yield* create([mine], container))
          }
        })
      assert.deepStrictEqual(yield* all(lives), Array.from({ length: 12 }, () => 0))
      // whoever was the last at any time has removed the bridge of those
      assert.deepStrictEqual(names(host).filter((name) => name.startsWith("b")), ["br0"])
    }))

  test("work for the root of a user namespace", () =>
    Effect.gen(function*() {
      const flags = yield* inChild(
        c.CLONE.NEWUSER | c.CLONE.NEWNET,
        Effect.andThen(setup([{ strategy: "loopback", name: "lo" }]), request({ _tag: "LinkGet", link: "lo" }))
      )
      assert.strictEqual((flags as ReadonlyArray<{ readonly flags: number }>)[0]!.flags & c.IFF.UP, c.IFF.UP)
    }))

  test("add routes, and fail as the kernel does", ({ container, host }) =>
    Effect.gen(function*() {
      yield* within(host, create([network], container))
      const refuses = (expected: string, ...routes: ReadonlyArray<Route>) =>
        Effect.map(Effect.flip(within(container, route(...routes))), (error) =>
          assert.deepInclude(error, { code: expected }))
      const good: Route = { destination: "10.7.0.0/16", source: "10.9.0.2", gateway: "10.9.0.1", interfaceName: "eth0" }

      // the interface is there but has no address and is down
      yield* refuses("ENETUNREACH", { gateway: "10.9.0.1", interfaceName: "veth0123456" })
      yield* within(container, setup([network]))

      yield* within(container, route(good, { destination: "fd07::9/64", gateway: "fd00::1", interfaceName: "eth0" }))
      assert.deepInclude(ip(container, "route", "show", "10.7.0.0/16")[0], {
        gateway: "10.9.0.1",
        dev: "eth0",
        prefsrc: "10.9.0.2"
      })
      assert.deepInclude(ip(container, "-6", "route", "show", "fd07::/64")[0], { gateway: "fd00::1", dev: "eth0" })

      yield* refuses("EEXIST", good)
      yield* refuses("EEXIST", { gateway: "10.9.0.1", interfaceName: "eth0" })
      yield* refuses("ENETUNREACH", { gateway: "10.200.0.1", interfaceName: "eth0" })
      yield* refuses("ENODEV", { gateway: "10.9.0.1", interfaceName: "nosuch" })
      yield* refuses("EINVAL", { ...good, destination: "10.6.0.0/16", source: "10.9.0.99" })
      const hostBits = { _tag: "RouteAdd", destination: "10.5.0.1/16", gateway: "10.9.0.1" } as const
      const bits = yield* Effect.flip(within(container, request(hostBits)))
      assert.deepInclude(bits, { code: "EINVAL" })

      // a gateway behind an on-link route
      yield* within(
        container,
        route({ destination: "172.30.0.0/24", interfaceName: "eth0" }, {
          destination: "172.31.0.0/16",
          gateway: "172.30.0.1"
        })
      )
      assert.deepInclude(ip(container, "route", "show", "172.31.0.0/16")[0], { gateway: "172.30.0.1", dev: "eth0" })
    }))

  test("are read back as ip(8) shows them", ({ container, host }) =>
    Effect.gen(function*() {
      yield* within(host, create([network], container))
      yield* within(container, setup([network]))
      const links = yield* within(host, request({ _tag: "LinkList" }))
      const indexOf = (name: string) => ip(host, "link", "show", "dev", name)[0]!["ifindex"] as number
      assert.deepStrictEqual(
        links.map((answer) =>
          answer._tag === "Link" ? [answer.index, answer.name, answer.kind, answer.master, answer.mtu] : []
        ),
        ip(host, "link").map((row) => [
          row["ifindex"],
          row["ifname"],
          row["linkinfo"]?.["info_kind"] ?? "",
          row["master"] === undefined ? null : indexOf(row["master"] as string),
          row["mtu"]
        ])
      )
      const read = yield* within(container, request({ _tag: "AddressList", link: "eth0" }))
      assert.includeMembers(
        read.map((answer) => answer._tag === "Address" ? answer.address : ""),
        [...addresses(link(container, "eth0"))]
      )
      const routes = yield* within(container, request({ _tag: "RouteList" }))
      const eth0 = link(container, "eth0")["ifindex"] as number
      for (const gateway of ["10.9.0.1", "fd00::1"]) {
        assert.deepInclude(routes, { _tag: "Route", destination: null, gateway, source: null, index: eth0, table: 254 })
      }
    }))

  it("leave nothing on the host", () => {
    assert.strictEqual(hostLinks(), before)
  })
})
