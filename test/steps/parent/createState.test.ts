/** Who makes a container is asked of /proc once for all containers that a process starts. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { defaultSpec } from "../../../src/config/defaults.ts"
import { Headers } from "../../../src/engine/Headers.ts"
import { Kernel, provideMake, render } from "../../../src/native/Kernel.ts"
import * as Runtime from "../../../src/runtime/Runtime.ts"
import * as Store from "../../../src/steps/state/Store.ts"
import { ModelKernel } from "../../../src/testing/Testing.ts"

const stateRoot = "/run/runfx"
const start = (id: string) =>
  Runtime.create({ id, container: defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"] }), stateRoot })

const bootId = "/proc/sys/kernel/random/boot_id"
/** The model's procfs has no such file. */
const machine = { files: { "/srv/web/bin/server": { mode: 0o755 }, "/boot": "1-2-3\n" } }

/** The calls of two starts by a kernel that is taken for the one that this process runs on, and their states. */
const twice = (boot: string) =>
  Effect.gen(function*() {
    const model = yield* Kernel
    const calls: Array<string> = []
    const kernel: Kernel["Service"] = {
      invoke: (call) =>
        Effect.suspend(() => {
          calls.push(render(call))
          return model.invoke("path" in call && call.path === bootId ? { ...call, path: boot } : call)
        })
    }
    provideMake(kernel, (call) => kernel.invoke(call), () => true)
    const starts = Effect.forEach(["one", "two"], (id) =>
      Effect.gen(function*() {
        calls.length = 0
        yield* start(id)
        return { calls: [...calls], state: yield* Store.load(stateRoot, id) }
      }))
    // what compares the calls with the headers is a wrapper, too
    return yield* starts.pipe(Effect.provideService(Kernel, kernel), Effect.provideService(Headers, "trusted"))
  }).pipe(Effect.provide(ModelKernel.make(machine).layer), Effect.runPromise)

const asks = ["getpid()", "readlinkat(AT_FDCWD, \"/proc/thread-self\")", "readlinkat(AT_FDCWD, \"/proc/self/ns/pid\")"]
const askedIn = (calls: ReadonlyArray<string>) =>
  [...asks, bootId].filter((text) => calls.some((call) => call.includes(text)))

describe("the state of a container", () => {
  it("says who makes it, for which the second start of a process reads nothing", async () => {
    const [one, two] = await twice("/boot")
    assert.deepStrictEqual(askedIn(one!.calls), [...asks, bootId])
    assert.deepStrictEqual(askedIn(two!.calls), [])
    for (const { state } of [one!, two!]) {
      assert.deepStrictEqual(state.numbering, { pidNamespace: state.numbering!.pidNamespace, boot: "1-2-3" })
    }
  })

  it("says what there is if /proc does not show all of that, and the second start asks again", async () => {
    const [one, two] = await twice("/none")
    assert.deepStrictEqual(askedIn(two!.calls), askedIn(one!.calls))
    assert.deepStrictEqual(Object.keys(two!.state.numbering!), ["pidNamespace"])
  })
})
