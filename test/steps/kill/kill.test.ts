import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Pipeline from "../../../src/engine/Pipeline.ts"
import type { Call } from "../../../src/native/Kernel.ts"
import { kill } from "../../../src/pipelines/kill.ts"
import { freeze } from "../../../src/steps/kill/freeze.ts"
import { KillTarget } from "../../../src/steps/kill/KillTarget.ts"
import { listProcesses } from "../../../src/steps/kill/listProcesses.ts"
import { scripted } from "../../support/scripted.ts"

const run = (target: KillTarget["Service"], answer: (call: Call) => unknown) => {
  const { calls, layer, trace } = scripted(answer)
  return Pipeline.run(kill).pipe(
    Effect.provideService(KillTarget, target),
    Effect.result,
    Effect.map((result) => ({ result, calls, trace: trace() })),
    Effect.provide(layer)
  )
}

const stat = (pid: number, startTime: number, state = "S") =>
  Buffer.from(`${pid} (x) ${state} 1 ${Array(17).fill(0).join(" ")} ${startTime} 0\n`)

describe("the kill pipeline", () => {
  it("freezes, lists, signals, thaws, reaps", () => {
    assert.deepStrictEqual(kill.steps.map(({ name }) => name), ["freeze", "listProcesses", "signalAll", "thaw", "reap"])
    assert.deepStrictEqual(Pipeline.problems(kill), [])
  })

  it("can't be put in another order", () => {
    const header = { name: "wrong", doc: "", inputs: [KillTarget] } as const
    const wrong = Pipeline.make(header, listProcesses, freeze)
    assert.strictEqual(Pipeline.problems(wrong).length, 1)
    // @ts-expect-error listProcesses requires "runfx/Frozen"
    void (() => Pipeline.run(wrong))
  })

  it.effect("asks nothing of the kernel where there is nobody to kill", () =>
    Effect.gen(function*() {
      const { calls, result } = yield* run({ children: [] }, () => undefined)
      assert.strictEqual(result._tag, "Success")
      assert.deepStrictEqual(calls, [])
    }))

  it.effect("sends no signal to a process that has the pid of the init by now", () =>
    Effect.gen(function*() {
      let read = false
      const { calls, result } = yield* run({ init: { pid: 42, startTime: 1n }, children: [] }, (call) => {
        if (call._tag === "openat" || call._tag === "pidfd_open") return 3
        if (call._tag !== "read") return undefined
        read = !read
        return read ? stat(42, 2) : new Uint8Array()
      })
      assert.strictEqual(result._tag, "Success")
      assert.isFalse(calls.some(({ _tag }) => _tag === "pidfd_send_signal" || _tag === "kill" || _tag === "waitid"))
      assert.strictEqual(calls.filter(({ _tag }) => _tag === "close").length, 5)
    }))

  it.effect("makes only calls that its steps name", () =>
    Effect.gen(function*() {
      const cgroup = { version: "v2", paths: { unified: "/u/x" }, mountpoints: { unified: "/u" }, made: [] } as const
      const declared = new Set<string>(kill.steps.flatMap((step) => step.calls))
      const { calls } = yield* run({ cgroup, init: { pid: 42, startTime: 1n }, children: [43], patience: 5 }, (call) =>
        call._tag === "fstatfs"
          ? { type: 0x63677270, flags: 0 }
          : call._tag === "read"
          ? new Uint8Array()
          : call._tag === "openat2" && call.path === "x"
          ? "ENOENT"
          : 3)
      for (const { _tag } of calls) {
        assert.include([...declared], _tag)
      }
    }))

  it.effect("gives up in the end, and names who is left", () =>
    Effect.gen(function*() {
      let read = false
      const { result, trace } = yield* run(
        { init: { pid: 42, startTime: 1n }, children: [], patience: 100 },
        (call) => {
          if (call._tag === "openat") read = false
          if (call._tag === "openat" || call._tag === "pidfd_open") return 3
          if (call._tag === "waitid") return "ECHILD"
          if (call._tag !== "read") return undefined
          read = !read
          return read ? stat(42, 1, "D") : new Uint8Array()
        }
      )
      assert.strictEqual(result._tag, "Failure")
      if (result._tag === "Success") return
      assert.include(result.failure.message, "42 (D)")
      assert.include(result.failure.message, "uninterruptible")
      assert.isBelow(trace.filter((line) => line.startsWith("nanosleep")).length, 100)
    }))
})
