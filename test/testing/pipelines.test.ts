/** Whole pipelines against the model: what the model does not know shows here. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Pipeline from "../../src/engine/Pipeline.ts"
import { AT, CLD, O, P, SOCK, W } from "../../src/native/constants.ts"
import { Fork } from "../../src/native/Fork.ts"
import { render, sys } from "../../src/native/Kernel.ts"
import { execThroughTrampoline, failureOf, optionsOf, trampoline } from "../../src/native/trampoline.ts"
import { create } from "../../src/pipelines/create.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { Launch } from "../../src/steps/parent/Launch.ts"
import { Faults, fromHost, ModelKernel, type Options, type State } from "../../src/testing/Testing.ts"

const container = defaultSpec({ rootfs: "/srv/web", args: ["/bin/server"], hostname: "web" })
const files = {
  "/srv/web/bin/server": { mode: 0o755, text: "\x7fELF" },
  "/srv/web/etc/passwd": "root:x:0:0::/root:/bin/sh\n"
}

const start = Effect.gen(function*() {
  const launch = yield* Runtime.launchOf({ id: "web", container, stateRoot: "/run/runfx" })
  return yield* Effect.provideService(Pipeline.run(create), Launch, launch)
})

describe("a container on the model", () => {
  for (const cgroup of ["v1", "v2", "hybrid"] as const) {
    it(`starts on a ${cgroup} host`, () => {
      const model = ModelKernel.make({ cgroup, files })
      const exit = Effect.runSyncExit(Effect.provide(start, model.layer))
      assert.isTrue(Exit.isSuccess(exit), Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "")
      const [program] = model.executed()
      assert.deepInclude(program, { path: "/bin/server", file: "/bin/server", hostname: "web", cwd: "/" })
      assert.deepStrictEqual([...program!.descriptors.keys()], [0, 1, 2])
      assert.strictEqual(program!.process.numbers.size, 2)
      assert.strictEqual([...program!.process.numbers.values()].at(0), 1)
    })
  }

  it.effect("fails in a known way whichever call fails, and leaves nothing", () =>
    Effect.gen(function*() {
      const left = (state: State.State) => ({
        cgroups: [...state.cgroups.keys()],
        processes: [...state.processes.keys()],
        mounts: [...state.mounts.values()].filter(({ ns }) => ns === state.processes.get(1)!.ns.mnt).length,
        links: [...state.links.values()].map(({ name }) => name)
      })
      const options: Options = { cgroup: "v2", files }
      const clean = left(ModelKernel.make(options).state())
      const runs = yield* Faults.failEach("EIO", (faults) => {
        const model = ModelKernel.make(options)
        return Effect.map(
          Effect.exit(Effect.provide(start, Layer.provide(faults.layer, model.layer))),
          (exit) => ({ exit, failed: faults.injected()[0], left: left(model.state()) })
        )
      })
      assert.isAbove(runs.length, 100)
      for (const { exit, failed, left } of runs.slice(1)) {
        // a call that may fail is no failure of the start
        if (Exit.isSuccess(exit)) continue
        const name = `${render(failed!)}: ${Cause.pretty(exit.cause)}`
        assert.isFalse(Cause.hasDies(exit.cause), name)
        assert.deepStrictEqual(left, clean, name)
      }
    }))

  it("is planned for the machine that this runs on", () => {
    const model = ModelKernel.make(fromHost())
    const entries = Effect.runSync(Effect.provide(
      Effect.gen(function*() {
        const fd = yield* sys.openat({ dirfd: AT.FDCWD, path: "/", flags: O.RDONLY | O.DIRECTORY, mode: 0 })
        return yield* sys.getdents64({ fd })
      }),
      model.layer
    ))
    assert.includeMembers(entries.map(({ name }) => name), ["proc", "dev", "etc"])
  })
})

describe("the exec trampoline", () => {
  const filter = { flags: 1, program: new Uint8Array(24).fill(7) }
  for (const machine of ["x64", "arm64"] as const) {
    it(`is read as it was written for ${machine}`, () => {
      for (const options of [{ channel: 7, path: "/bin/sh" }, { channel: 300, path: "relative/ä", filter }]) {
        assert.deepStrictEqual(optionsOf(trampoline(machine, options)), options)
      }
      const changed = trampoline(machine, { channel: 7, path: "/bin/sh" })
      changed[200]! ^= 1
      assert.isUndefined(optionsOf(changed))
    })
  }

  it("reports a program that can't be executed, and ends as a shell does", () => {
    const program = (path: string) =>
      Effect.gen(function*() {
        const fork = yield* Fork
        const [ours, channel] = yield* sys.socketpair({ type: SOCK.SEQPACKET | SOCK.CLOEXEC })
        const pid = yield* fork.spawn(0, execThroughTrampoline({ path, argv: [path], envp: [], channel }))
        yield* sys.close({ fd: channel })
        const { data } = yield* sys.recvmsg({ fd: ours, size: 100, flags: 0 })
        const status = yield* sys.waitid({ idtype: P.PID, id: pid, options: W.EXITED })
        return [failureOf(data), status?.code, status?.status]
      })
    const run = (path: string) => Effect.runSync(Effect.provide(program(path), ModelKernel.make({}).layer))
    assert.deepStrictEqual(run("/bin/missing"), ["ENOENT", CLD.EXITED, 127])
    assert.deepStrictEqual(run("/etc/passwd"), ["EACCES", CLD.EXITED, 126])
    assert.deepStrictEqual(run("/bin/true"), [undefined, CLD.EXITED, 0])
  })
})
