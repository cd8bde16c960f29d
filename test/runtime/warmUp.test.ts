import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readdirSync } from "node:fs"
import { defaultSpec } from "../../src/config/defaults.ts"
import { warmUp } from "../../src/runtime/warmUp.ts"

const id = "warm-up-test"

const traces = (): ReadonlyArray<string> => {
  const roots = ["/run/runfx", "/sys/fs/cgroup", ...["cpu", "memory", "pids"].map((name) => `/sys/fs/cgroup/${name}`)]
  return roots.filter((root) => existsSync(root)).flatMap((root) => readdirSync(root)).filter((name) =>
    name.includes(id)
  )
}

describe("warmUp", () => {
  it.effect("rehearses without a trace on the host, and without a child", () =>
    Effect.gen(function*() {
      yield* warmUp({ id, container: defaultSpec({ rootfs: "/", args: ["/bin/true"] }) }, { rounds: 1 })
      assert.deepStrictEqual(traces(), [])
    }))

  it.effect("does not fail where the container would", () =>
    warmUp({ id: "../bad", container: defaultSpec({ rootfs: "/nowhere", args: ["x"] }) }, { rounds: 1 }))
})
