/** How programs and applications fail, as root and as a user: docs/failures.md lists what is held here, and elsewhere. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { failures } from "../support/failureScenarios.ts"
import { missing } from "../support/rootfs.ts"
import { makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"

describe.skipIf(missing !== undefined || !usersMay())("failures", () => {
  let sandboxes: Sandboxes
  beforeAll(() => {
    sandboxes = makeSandboxes("runfx-failures")
  })
  afterAll(() => sandboxes.remove())

  it.each(Object.keys(failures))("of root: %s", async (name) => {
    await failures[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
  })

  it("of a user: all of these", async () => {
    const user = sandboxes.begin("user", "sandboxUser", "", sandboxes.stateRoot("user"), "failures")
    const { stderr, stdout } = await user.ended
    assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
  })

  it("leave nothing behind", () => {
    for (const caller of ["root", "user"] as const) {
      assert.deepStrictEqual(sandboxes.left(caller), [])
    }
  })
})
