import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Call } from "../../../src/native/Kernel.ts"
import * as Cgroup from "../../../src/steps/cgroup/Cgroup.ts"
import { scripted } from "../../support/scripted.ts"

const v1: Cgroup.CgroupManager = { version: "v1", paths: { freezer: "/f/x" }, mountpoints: { freezer: "/f" }, made: [] }
const v2: Cgroup.CgroupManager = { version: "v2", paths: { unified: "/u/x" }, mountpoints: { unified: "/u" }, made: [] }

/** Cgroup files in memory: a read is answered by `content`, writes are kept. */
const files = (content: (file: string) => string) => {
  const open: Array<{ readonly path: string; done: boolean }> = []
  const writes: Array<string> = []
  const kernel = scripted((call: Call) => {
    switch (call._tag) {
      case "openat":
      case "openat2":
        return open.push({ path: call.path, done: false }) - 1
      case "fstatfs":
        return { type: 0x27e0eb, flags: 0 }
      case "read": {
        const file = open[call.fd]!
        if (file.done) return new Uint8Array()
        file.done = true
        return Buffer.from(content(file.path))
      }
      case "write":
        writes.push(`${open[call.fd]!.path}=${Buffer.from(call.data).toString()}`)
        return call.data.length
      default:
        return undefined
    }
  })
  return { ...kernel, writes, slept: () => kernel.calls.filter(({ _tag }) => _tag === "nanosleep").length }
}

describe("freeze", () => {
  it.effect("of v1 writes again while it is FREEZING, and thaws for a moment now and then", () => {
    let reads = 0
    const kernel = files(() => ++reads < 60 ? "FREEZING\n" : "FROZEN\n")
    return Effect.gen(function*() {
      yield* Cgroup.freeze(v1)
      assert.strictEqual(kernel.writes.filter((write) => write === "freezer.state=FROZEN").length, 60)
      assert.strictEqual(kernel.writes.filter((write) => write === "freezer.state=THAWED").length, 1)
      assert.strictEqual(kernel.writes.at(-1), "freezer.state=FROZEN")
    }).pipe(Effect.provide(kernel.layer))
  })

  for (const manager of [v1, v2]) {
    it.effect(`of ${manager.version} ends where it does not come about, and leaves it thawed`, () => {
      const kernel = files((file) => file === "freezer.state" ? "FREEZING\n" : "populated 1\nfrozen 0\n")
      return Effect.gen(function*() {
        const failure = yield* Effect.flip(Cgroup.freeze(manager, { milliseconds: 500 }))
        assert.strictEqual(failure._tag, "FreezeTimeout")
        assert.match(kernel.writes.at(-1)!, /THAWED|cgroup.freeze=0/)
        assert.isBelow(kernel.slept(), 1000)
      }).pipe(Effect.provide(kernel.layer))
    })
  }

  it.effect("is not possible without a freezer", () =>
    Effect.gen(function*() {
      const none = { version: "v1", paths: { cpu: "/c/x" }, mountpoints: { cpu: "/c" }, made: [] } as const
      const failure = yield* Effect.flip(Cgroup.freeze(none))
      assert.strictEqual(failure._tag, "CgroupCannotFreeze")
      assert.include(failure.message, "/c/x")
    }).pipe(Effect.provide(files(() => "").layer)))
})

describe("thaw", () => {
  it.effect("says that a group above keeps it frozen", () =>
    Effect.gen(function*() {
      const failure = yield* Effect.flip(Cgroup.thaw(v1))
      assert.strictEqual(failure._tag, "FreezeTimeout")
      assert.include((failure as Cgroup.FreezeTimeout).advice, "above")
    }).pipe(Effect.provide(files(() => "FROZEN\n").layer)))
})

describe("join", () => {
  it.effect("tries EINVAL again, five times, and then names the group", () => {
    const kernel = scripted(({ _tag }) =>
      _tag === "write" ? "EINVAL" : _tag === "fstatfs" ? { type: 0x27e0eb, flags: 0 } : 3
    )
    return Effect.gen(function*() {
      const failure = yield* Effect.flip(Cgroup.join(v1, 42))
      assert.strictEqual(failure._tag, "CgroupJoinError")
      assert.include(failure.message, "/f/x")
      assert.strictEqual(kernel.calls.filter(({ _tag }) => _tag === "write").length, 5)
      assert.strictEqual(kernel.calls.filter(({ _tag }) => _tag === "nanosleep").length, 4)
    }).pipe(Effect.provide(kernel.layer))
  })
})
