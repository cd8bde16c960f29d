import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Route } from "../../../src/config/Container.ts"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import { NetworkUp } from "../../../src/steps/init/facts.ts"
import { Init } from "../../../src/steps/init/Init.ts"
import { RouteError, setupRoute } from "../../../src/steps/setupRoute.ts"
import { scripted } from "../../support/scripted.ts"
import { init } from "../../support/steps.ts"

const pipeline = Pipeline.make({ name: "test", doc: "", inputs: [Init, NetworkUp] }, setupRoute)

const run = (routes: ReadonlyArray<Route>, kernel = scripted(() => [])) =>
  Effect.as(Pipeline.run(pipeline), kernel.calls).pipe(
    Effect.provideService(Init, init({ container: { routes } })),
    Effect.provideService(NetworkUp, true),
    Effect.provide(kernel.layer)
  )

describe("setupRoute", () => {
  it.effect("makes no call where there is no route", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* run([]), [])
    }))

  it.effect("adds each route as written, in order", () =>
    Effect.gen(function*() {
      const calls = yield* run([
        { destination: "10.7.0.0/16", source: "10.9.0.2", gateway: "10.9.0.1", interfaceName: "eth0" },
        // the kernel masks IPv6 destinations by itself
        { destination: "fd01::1/64", interfaceName: "eth0" },
        { gateway: "10.9.0.1" },
        { destination: "10.8.0.0/16", gateway: "::ffff:10.9.0.1" }
      ])
      assert.deepStrictEqual(calls, [
        {
          _tag: "rtnetlink",
          request: {
            _tag: "RouteAdd",
            destination: "10.7.0.0/16",
            source: "10.9.0.2",
            gateway: "10.9.0.1",
            link: "eth0"
          }
        },
        { _tag: "rtnetlink", request: { _tag: "RouteAdd", destination: "fd01::1/64", link: "eth0" } },
        { _tag: "rtnetlink", request: { _tag: "RouteAdd", gateway: "10.9.0.1" } },
        { _tag: "rtnetlink", request: { _tag: "RouteAdd", destination: "10.8.0.0/16", gateway: "::ffff:10.9.0.1" } }
      ])
    }))

  const bad: ReadonlyArray<readonly [Route, string]> = [
    [{ interfaceName: "eth0" }, "one of destination, source or gateway must not be blank"],
    [{ destination: "10.0.0.0" }, "destination CIDR 10.0.0.0 couldn't be parsed"],
    [{ destination: "10.0.0.1/24" }, "destination CIDR 10.0.0.1/24 has bits set behind its prefix"],
    [{ source: "10.0.0.0/8" }, "source IP 10.0.0.0/8 couldn't be parsed"],
    [{ destination: "10.0.0.0/8", source: "fd00::1" }, "source and destination ip were not the same IP family"],
    [{ gateway: "gw" }, "gateway IP gw couldn't be parsed"],
    [
      { destination: "10.0.0.0/8", gateway: "fd00::1" },
      "gateway, source, and destination ip were not the same IP family"
    ],
    [{ source: "10.0.0.1", gateway: "fd00::1" }, "gateway, source, and destination ip were not the same IP family"],
    [{ destination: "10.0.0.0/8" }, "without a gateway the interface must be named"],
    // the first of several failures counts
    [{ destination: "x", source: "y", gateway: "z" }, "destination CIDR x couldn't be parsed"]
  ]
  for (const [route, problem] of bad) {
    it.effect(`refuses ${JSON.stringify(route)}`, () =>
      Effect.gen(function*() {
        const kernel = scripted(() => [])
        const good: Route = { gateway: "10.9.0.1" }
        const error = yield* Effect.flip(run([good, route], kernel))
        assert.instanceOf(error.reason, RouteError)
        assert.strictEqual((error.reason as RouteError).message, `routes[1]: ${problem}`)
        assert.lengthOf(kernel.calls, 1)
      }))
  }

  it.effect("advises the network that was probably meant, but does not guess it", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(run([{ destination: "10.0.0.1/24", gateway: "10.9.0.1" }]))
      assert.match(error.advice ?? "", /write 10\.0\.0\.0\/24 /)
    }))
})
