/** Effect's ChildProcessSpawner with sandboxes, as root and as a user: docs/spawner.md lists what is held here. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { missing } from "../support/rootfs.ts"
import { makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"
import { spawners } from "../support/spawnerScenarios.ts"

describe.skipIf(missing !== undefined || !usersMay())("a ChildProcessSpawner of sandboxes", () => {
  let sandboxes: Sandboxes
  beforeAll(() => {
    sandboxes = makeSandboxes("runfx-spawner")
  })
  afterAll(() => sandboxes.remove())

  it.each(Object.keys(spawners))("of root: %s", async (name) => {
    await spawners[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
  })

  it("of a user: all of these", async () => {
    const user = sandboxes.begin("user", "sandboxUser", "", sandboxes.stateRoot("user"), "spawners")
    const { stderr, stdout } = await user.ended
    assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
  })

  it("leaves nothing behind", () => {
    for (const caller of ["root", "user"] as const) {
      assert.deepStrictEqual(sandboxes.left(caller), [])
    }
  })
})
