/** Descriptors of the application in its sandboxes, as root and as a user. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { descriptors } from "../support/descriptorScenarios.ts"
import { missing } from "../support/rootfs.ts"
import { makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"

describe.skipIf(missing !== undefined || !usersMay())("descriptors of the application", () => {
  let sandboxes: Sandboxes
  beforeAll(() => {
    sandboxes = makeSandboxes("runfx-descriptors")
  })
  afterAll(() => sandboxes.remove())

  it.each(Object.keys(descriptors))("of root: %s", async (name) => {
    await descriptors[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
  })

  it("of a user: all of these", async () => {
    const user = sandboxes.begin("user", "sandboxUser", "", sandboxes.stateRoot("user"), "descriptors")
    const { stderr, stdout } = await user.ended
    assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
  })
})
