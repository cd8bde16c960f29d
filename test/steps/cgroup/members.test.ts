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
})
