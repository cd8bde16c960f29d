/** Workspaces, and what a program can do to what is covered in them, as root and as a user. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { missing } from "../support/rootfs.ts"
import { makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"
import { workspaces } from "../support/sandboxWorkspace.ts"

describe.skipIf(missing !== undefined || !usersMay())("a workspace", () => {
  let sandboxes: Sandboxes
  beforeAll(() => {
    sandboxes = makeSandboxes("runfx-workspace")
  })
  afterAll(() => sandboxes.remove())

  it.each(Object.keys(workspaces))(
    "of root: %s",
    (name) => workspaces[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
  )

  it("of a user: all of these", async () => {
    const { stderr, stdout } = await sandboxes.begin(
      "user",
      "sandboxUser",
      "",
      sandboxes.stateRoot("user"),
      "workspaces"
    ).ended
    assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
  })
})
