/** A directory of states that can't be one: the error says what to do. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import type * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { defaultSpec } from "../../src/config/defaults.ts"
import { render } from "../../src/engine/PipelineError.ts"
import type { Fork } from "../../src/native/Fork.ts"
import type { Kernel } from "../../src/native/Kernel.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import { Check } from "../../src/testing/Testing.ts"

const container = defaultSpec({ rootfs: "/srv", args: ["/bin/a"] })
const machine = { files: { "/srv": { directory: true }, "/srv/bin/a": { mode: 0o755 }, "/etc/file": "" } } as const

const failure = (effect: Effect.Effect<unknown, unknown, Kernel | Fork>): string => {
  const { exit } = Check.run(effect, { machine })
  return Exit.isFailure(exit) ? render(Cause.squash(exit.cause)) : assert.fail("it succeeded")
}

describe("a directory of states", () => {
  it.each([["", "ENOENT"], ["/proc/missing", "ENOENT"], ["/etc/file", "ENOTDIR"]])(
    "%j can't be made, and another one is advised",
    (stateRoot, code) => {
      const text = failure(Runtime.create({ id: "a", stateRoot, container }))
      assert.include(text, code)
      assert.match(text, /what to do: .* give another one with --root$/)
    }
  )

  it("that is a file has no containers to list, and another one is advised", () => {
    const text = failure(Runtime.list("/etc/file"))
    assert.match(
      text,
      /ENOTDIR .*\n {2}what to do: the directory of states must be a directory: give another one with --root$/
    )
  })
})
