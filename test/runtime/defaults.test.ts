/** Defaults of options that an application sets once. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { defaultSpec } from "../../src/config/defaults.ts"
import { render } from "../../src/native/Kernel.ts"
import { Surroundings } from "../../src/native/Surroundings.ts"
import { starts } from "../../src/runtime/admission.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { Check, ModelKernel } from "../../src/testing/Testing.ts"

const container = defaultSpec({ rootfs: "/srv", args: ["/bin/a"] })
const directory = { directory: true } as const
const own = { directory: true, mode: 0o700 } as const
const files = {
  "/srv/bin/a": { mode: 0o755 },
  "/srv/proc": directory,
  "/srv/dev": directory,
  "/srv/sys": directory,
  "/run/agents": own,
  "/run/nearer": own,
  "/run/named": own
}
const programs = { "/bin/a": { after: "never" } } as const
const placed = Layer.succeed(Runtime.StateRoot, "/run/agents")

const ids = (root?: string) => Effect.map(Runtime.list(root), (all) => all.map(({ id }) => id))

const life = Effect.scoped(Effect.gen(function*() {
  const web = yield* Runtime.spawn({ id: "web", container })
  yield* Effect.exit(Runtime.exec({ id: "web", process: { ...container.process, args: ["/bin/none"] } }))
  yield* Runtime.kill("web", 0)
  const seen = [yield* ids(), yield* ids("/run/agents"), web.id]
  yield* web.kill({ forceKillAfter: 0 })
  yield* Runtime.remove("web", { force: true })
  yield* Runtime.prune()
  return seen
}))

describe("the directory of states", () => {
  it("is set once, for all acts", () => {
    const checked = Check.run(Effect.provide(life, placed), { machine: { files }, programs })
    assert.deepStrictEqual<unknown>(Check.succeeded(checked), [["web"], ["web"], "web"])
    assert.deepStrictEqual(
      checked.calls.map(({ call }) => render(call)).filter((text) => text.includes("/run/runfx")),
      []
    )
    Check.unchanged(checked)
  })

  it("is that of the layer of a service, unless it is set nearer, or named by an option", async () => {
    const model = ModelKernel.make({ files }, { programs })
    const act = Effect.gen(function*() {
      const containers = yield* Runtime.Containers
      const create = (id: string, options?: { readonly stateRoot: string }) =>
        containers.create({ id, container, ...options })
      yield* create("layered")
      yield* Effect.provideService(create("near"), Runtime.StateRoot, "/run/nearer")
      yield* create("named", { stateRoot: "/run/named" })
      const listed = (root: string) => Effect.map(containers.list(root), (all) => all.map(({ id }) => id))
      return yield* Effect.forEach(["/run/agents", "/run/nearer", "/run/named"], listed)
    })
    const layer = Layer.provide(Runtime.Containers.layer, Layer.mergeAll(model.layer, placed))
    const found = await Effect.runPromise(Effect.provide(act, layer))
    assert.deepStrictEqual<unknown>(found, [["layered"], ["near"], ["named"]])
  })
})

describe("patience", () => {
  const patienceWith = (patience: Parameters<typeof Runtime.launchOf>[0]["patience"], common: unknown) =>
    Runtime.launchOf({ id: "web", container, ...patience === undefined ? {} : { patience } }).pipe(
      Effect.provideService(Runtime.Patience, common as never),
      Effect.match({ onFailure: ({ message }) => message, onSuccess: (launch) => launch.patience })
    )
  const found = (patience: Parameters<typeof patienceWith>[0], common: unknown) =>
    Check.succeeded(Check.run(patienceWith(patience, common), { machine: { files } }))

  it("is set once, and an option counts more", () => {
    assert.strictEqual(found(undefined, "5 seconds"), 5000)
    assert.strictEqual(found(7000, "5 seconds"), 7000)
    assert.strictEqual(found(undefined, undefined), 60_000)
  })

  it("that is none is refused by name", () => {
    assert.match(String(found(undefined, "soon")), /^patience = "soon": must be a time/)
  })
})

describe("how many starts are on their way at a time", () => {
  const life = Effect.andThen(Runtime.create({ id: "web", container }), Runtime.remove("web", { force: true }))
  const asked = (atOnce: unknown, live: boolean) => {
    const admit = vi.spyOn(starts, "admit")
    const checked = Check.run(
      life.pipe(
        Effect.provideService(Runtime.StartsAtOnce, atOnce as never),
        Effect.provideService(Surroundings, { env: {}, live }),
        Effect.match({ onFailure: ({ message }) => message, onSuccess: () => "done" })
      ),
      { machine: { files }, programs }
    )
    const most = admit.mock.calls.map(([, most]) => most)
    admit.mockRestore()
    return [Check.succeeded(checked), most]
  }

  it("is 4, or what is set; on a model nobody waits", () => {
    assert.deepStrictEqual(asked(undefined, true), ["done", [4]])
    assert.deepStrictEqual(asked(7, true), ["done", [7]])
    assert.deepStrictEqual(asked(7, false), ["done", []])
  })

  it("that is none is refused by name", () => {
    assert.match(String(asked(0, true)), /startsAtOnce = 0: must be a whole number from 1/)
  })
})
