import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Cgroup from "../../../src/steps/cgroup/Cgroup.ts"
import { scripted } from "../../support/scripted.ts"

const manager = { version: "v2", paths: { unified: "/u/x" }, mountpoints: { unified: "/u" }, made: [] } as const

describe("the members of a cgroup", () => {
  it.effect("leave out the 0 that stands for a process of another pid namespace", () => {
    let read = false
    const kernel = scripted(({ _tag }) => {
      if (_tag === "fstatfs") return { type: 0x63677270, flags: 0 }
      if (_tag === "getdents64") return []
      if (_tag !== "read") return 3
      read = !read
      return read ? Buffer.from("0\n42\n0\n7\n") : new Uint8Array()
    })
    return Effect.gen(function*() {
      assert.deepStrictEqual(yield* Cgroup.pids(manager), [7, 42])
    }).pipe(Effect.provide(kernel.layer))
  })

  it.effect("are joined last where CPU time counts, so that the other moves are not charged to the container", () => {
    const keys = ["cpu", "cpuacct", "memory", "unified"]
    const on = (prefix: string) => Object.fromEntries(keys.map((key) => [key, `/c/${key}${prefix}`]))
    const kernel = scripted(({ _tag }) => _tag === "fstatfs" ? { type: 0x27e0eb, flags: 0 } : 3)
    return Effect.gen(function*() {
      yield* Cgroup.joinSelf({ version: "hybrid", paths: on("/x"), mountpoints: on(""), made: [] })
      const joined = kernel.calls.flatMap((call) => "path" in call ? /^\/c\/(\w+)\/x/.exec(call.path)?.[1] ?? [] : [])
      assert.deepStrictEqual(joined, ["memory", "unified", "cpu", "cpuacct"])
    }).pipe(Effect.provide(kernel.layer))
  })
})
