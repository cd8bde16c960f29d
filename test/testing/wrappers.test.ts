import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import * as Step from "../../src/engine/Step.ts"
import { AT, O, P, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { sys } from "../../src/native/Kernel.ts"
import { Faults, ModelKernel, Recorder } from "../../src/testing/Testing.ts"

const makeDirectory = <const P extends string>(path: P) =>
  Step.make(`make${path}`, {
    doc: "",
    calls: ["mkdirat", "unlinkat"],
    reversal: "compensated",
    run: sys.mkdirat({ dirfd: AT.FDCWD, path, mode: 0o755 }),
    undo: () => sys.unlinkat({ dirfd: AT.FDCWD, path, flags: AT.REMOVEDIR })
  })
const pipeline = Pipeline.make(
  { name: "make", doc: "", inputs: [] },
  makeDirectory("/tmp/a"),
  makeDirectory("/tmp/a/b")
)

describe("Recorder", () => {
  it("writes down each call with its process, step, and what it came to", () => {
    const model = ModelKernel.make({ files: { "/tmp/a/b/c": "" } })
    const recorder = Recorder.make()
    const exit = Effect.runSyncExit(Effect.provide(Pipeline.run(pipeline), Layer.provide(recorder.layer, model.layer)))
    assert.isTrue(Exit.isFailure(exit))
    assert.deepStrictEqual(
      recorder.entries().map((
        { call, outcome, pipeline, side, step, undoing }
      ) => [side, pipeline, step, call._tag, outcome._tag, undoing]),
      [["parent", "make", "make/tmp/a", "mkdirat", "Failed", false]]
    )
  })

  it("tells processes apart, and marks undoing and calls that do not return", () => {
    const model = ModelKernel.make({ files: { "/tmp/x": { directory: true } } })
    const recorder = Recorder.make()
    const failing = Pipeline.append(
      pipeline,
      Step.make("fails", { doc: "", calls: [], reversal: "harmless", run: Effect.fail("no") })
    )
    const program = Effect.gen(function*() {
      const fork = yield* Fork
      const pid = yield* fork.spawn(0, sys.exit_group({ status: 4 }))
      yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
      yield* Effect.exit(Pipeline.run(failing))
    })
    Effect.runSync(Effect.provide(program, Layer.provide(recorder.layer, model.layer)))
    assert.deepStrictEqual(
      recorder.entries().map(({ call, outcome, side, undoing }) =>
        `${side} ${undoing ? "undo " : ""}${call._tag} ${outcome._tag}`
      ),
      [
        "parent clone Returned",
        "parent waitid Returned",
        "init exit_group Pending",
        "parent mkdirat Returned",
        "parent mkdirat Returned",
        "parent undo unlinkat Returned",
        "parent undo unlinkat Returned"
      ]
    )
  })
})

describe("Faults", () => {
  it.effect("fails each call in turn, and nothing is left behind", () =>
    Effect.gen(function*() {
      const runs = yield* Faults.failEach("EIO", (faults) => {
        const model = ModelKernel.make({})
        const before = model.state().nodes.size
        return Effect.map(
          Effect.exit(Effect.provide(Pipeline.run(pipeline), Layer.provide(faults.layer, model.layer))),
          (exit) => {
            const temporary = [...model.state().nodes.values()].find(({ name }) => name === "tmp")
            const left = temporary!.content._tag === "Directory" ? temporary!.content.entries.size : -1
            return { failed: Exit.isFailure(exit), left, injected: faults.injected().map(({ _tag }) => _tag), before }
          }
        )
      })
      assert.deepStrictEqual(runs.map(({ failed, injected, left }) => [failed, injected.join(), left]), [
        [false, "", 1],
        [true, "mkdirat", 0],
        [true, "mkdirat", 0]
      ])
    }))

  it("fails the calls that a test picks, forks too", () => {
    const model = ModelKernel.make({})
    const faults = Faults.make(Faults.failWhen((call) => call._tag === "clone", "EAGAIN"))
    const program = Effect.gen(function*() {
      const fork = yield* Fork
      const forked = yield* Effect.flip(fork.spawn(0, Effect.void))
      const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: "/etc/passwd", flags: O.RDONLY, mode: 0 })
      return [forked.code, fd] as readonly [string, number]
    })
    assert.deepStrictEqual(Effect.runSync(Effect.provide(program, Layer.provide(faults.layer, model.layer))), [
      "EAGAIN",
      3
    ])
    assert.strictEqual(model.state().processes.size, 2)
  })

  it("releases a descriptor whose close is made to fail, as Linux does", () => {
    const closing = (code: "EIO" | "EBADF") => {
      const model = ModelKernel.make({})
      const faults = Faults.make(Faults.failWhen((call) => call._tag === "close", code))
      const program = Effect.gen(function*() {
        const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: "/etc/passwd", flags: O.RDONLY, mode: 0 })
        const closed = yield* Effect.flip(sys.close({ fd }))
        return closed.code
      })
      const told = Effect.runSync(Effect.provide(program, Layer.provide(faults.layer, model.layer)))
      return [told, model.state().processes.get(model.pid)?.descriptors.has(3)]
    }
    assert.deepStrictEqual(closing("EIO"), ["EIO", false])
    // it says that there was none
    assert.deepStrictEqual(closing("EBADF"), ["EBADF", true])
  })
})
