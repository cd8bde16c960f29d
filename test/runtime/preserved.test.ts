import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { checkPreserved } from "../../src/runtime/preserved.ts"
import { scripted } from "../support/scripted.ts"

const check = (count: number, files: Readonly<Record<string, string>>) => {
  const { layer, trace } = scripted((call) => call._tag === "readlinkat" ? files[call.path] ?? "ENOENT" : undefined)
  return { result: Effect.runSync(Effect.result(Effect.provide(checkPreserved(count), layer))), trace }
}

const given = { "/proc/self/fd/3": "/etc/passwd", "/proc/self/fd/4": "pipe:[7]" }

describe("checkPreserved", () => {
  it("asks nothing where nothing is preserved", () => {
    assert.deepStrictEqual(check(0, {}).trace(), [])
  })

  it("takes what the caller has opened", () => {
    const { result } = check(2, given)
    assert(result._tag === "Success")
    assert.strictEqual(result.success, 2)
  })

  it.for([["is closed", given], ["is Node's", { ...given, "/proc/self/fd/5": "anon_inode:[eventpoll]" }]] as const)(
    "refuses one that %s",
    ([, files]) => {
      const { result } = check(3, files)
      assert(result._tag === "Failure" && result.failure._tag === "NotPreservable")
      assert.include(result.failure.message, "descriptor 5 ")
      assert.include(result.failure.advice, "3 to 5")
    }
  )
})
