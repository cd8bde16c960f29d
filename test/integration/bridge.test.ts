/** Containers on one bridge: they reach each other, whoever comes and goes; the last one to leave takes the bridge along. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Network } from "../../src/config/Container.ts"
import { sys } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { containerOf, on, options, sh } from "../support/containers.ts"
import { interfaces } from "../support/host.ts"
import { eachLeavesNothing, ownPlace } from "../support/ownPlace.ts"
import { missing } from "../support/rootfs.ts"

const place = ownPlace()
eachLeavesNothing(place)

const networks = (last: number): ReadonlyArray<Network> => [
  { strategy: "loopback", name: "lo" },
  {
    strategy: "veth",
    name: "eth0",
    bridge: "rfxbr0",
    createBridge: { address: "10.88.0.1/24" },
    address: `10.88.0.${last}/24`,
    gateway: "10.88.0.1"
  }
]

const started = (last: number, userns = false) =>
  Effect.gen(function*() {
    const container = containerOf(place, ["/bin/sleep", "1000"], { networks: networks(last), userns })
    const given = options(place, container)
    const { pidfd } = yield* Runtime.create(given)
    const exec = (script: string) =>
      Effect.map(
        Runtime.exec({ id: given.id, stateRoot: place.stateRoot, process: { ...container.process, args: sh(script) } }),
        ({ code }) => code
      )
    const remove = Effect.andThen(
      Runtime.remove(given.id, { stateRoot: place.stateRoot, force: true }),
      sys.close({ fd: pidfd })
    )
    return { exec, remove }
  })

const hasBridge = () => interfaces().includes("rfxbr0")

describe.skipIf(missing !== undefined)("containers on a bridge", () => {
  it.live("reach each other, also across user namespaces; the last one to leave removes it", () =>
    on(Effect.gen(function*() {
      const maker = yield* started(2)
      const guest = yield* started(3, true)
      assert.isTrue(hasBridge())
      const talk = yield* Effect.all([
        maker.exec("test \"$(timeout 20 nc -l -p 7000)\" = hello"),
        guest.exec(
          "i=0; while [ $i -lt 100 ]; do echo hello | nc -w 5 10.88.0.2 7000 2>/dev/null && exit 0; i=$((i+1)); sleep 0.1; done; exit 1"
        )
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual(talk, [0, 0])
      // whoever made it goes first
      yield* maker.remove
      assert.isTrue(hasBridge())
      const other = yield* started(4)
      yield* guest.remove
      assert.isTrue(hasBridge())
      yield* other.remove
      assert.isFalse(hasBridge())
    })))

  it.live("leave a bridge that somebody else made", () =>
    on(Effect.gen(function*() {
      yield* sys.rtnetlink({ request: { _tag: "BridgeAdd", name: "rfxbr0" } })
      const guest = yield* started(2)
      yield* guest.remove
      assert.isTrue(hasBridge())
      yield* sys.rtnetlink({ request: { _tag: "LinkDelete", link: "rfxbr0" } })
    })))

  it.live("come and go at the same time, and none loses it", () =>
    on(Effect.gen(function*() {
      const codes = yield* Effect.forEach(
        Array.from({ length: 16 }, (_, index) => index),
        (index) =>
          Effect.map(
            Runtime.run(
              options(
                place,
                containerOf(place, sh("ifconfig eth0 >/dev/null || exit 1"), { networks: networks(10 + index) })
              )
            ),
            ({ code }) => code
          ),
        { concurrency: 4 }
      )
      assert.deepStrictEqual(codes, codes.map(() => 0))
      assert.isFalse(hasBridge())
    })))
})
