/** A process 1 of runfx's own before the program of a sandbox, and of the command. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { reaperScenarios } from "../support/reaperScenarios.ts"
import { missing } from "../support/rootfs.ts"
import { makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"

describe.skipIf(missing !== undefined || !usersMay())("a process 1 of runfx's own", () => {
  let sandboxes: Sandboxes
  beforeAll(() => {
    sandboxes = makeSandboxes("runfx-reaper")
  })
  afterAll(() => sandboxes.remove())

  it.each(Object.keys(reaperScenarios))("of root: %s", async (name) => {
    await reaperScenarios[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
  })

  it("of a user: all of these", async () => {
    const user = sandboxes.begin("user", "sandboxUser", "", sandboxes.stateRoot("user"), "reaper")
    const { stderr, stdout } = await user.ended
    assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
  })
})
