/** Programs of a sandbox on a terminal, as root and as a user. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { missing } from "../support/rootfs.ts"
import { makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"
import { terminalScenarios } from "../support/terminalScenarios.ts"

describe.skipIf(missing !== undefined || !usersMay())("the terminal of a sandbox", () => {
  let sandboxes: Sandboxes
  beforeAll(() => {
    sandboxes = makeSandboxes("runfx-terminal")
  })
  afterAll(() => sandboxes.remove())

  it.each(Object.keys(terminalScenarios))("of root: %s", async (name) => {
    await terminalScenarios[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
  })

  it("of a user: all of these", async () => {
    const user = sandboxes.begin("user", "sandboxUser", "", sandboxes.stateRoot("user"), "terminal")
    const { stderr, stdout } = await user.ended
    assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
  })
})
