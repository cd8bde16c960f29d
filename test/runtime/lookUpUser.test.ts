import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { S } from "../../src/native/constants.ts"
import { lookUpUser } from "../../src/runtime/lookUpUser.ts"
import { scripted } from "../support/scripted.ts"

describe("a user of an image", () => {
  it.effect("is looked up in a bounded part of its files, however much another process adds to them meanwhile", () => {
    let read = 0
    const { layer } = scripted((call) => {
      if (call._tag === "openat" || call._tag === "openat2") return 3
      if (call._tag === "statx") return { mode: S.IFREG, size: 10n }
      if (call._tag !== "read") return undefined
      assert.isBelow(read += call.count, 16 * 1024 * 1024)
      return Buffer.alloc(call.count, "x")
    })
    return Effect.gen(function*() {
      const error = yield* Effect.flip(lookUpUser("someone", { root: "/image", mounts: [] }))
      assert.strictEqual(error._tag, "UserError")
    }).pipe(Effect.provide(layer))
  })
})
