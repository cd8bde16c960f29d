/** What a workspace has if nothing is said. */
import { assert, describe, it } from "@effect/vitest"
import { layers } from "../../src/sandbox/Description.ts"
import { workspaceDescription } from "../../src/sandbox/workspace.ts"

describe("the home of a workspace", () => {
  it("is its own, of a size that can be said", () => {
    assert.strictEqual(workspaceDescription("/srv/project").home, "256 MiB")
    assert.strictEqual(workspaceDescription("/home/me/project", { home: "1 GiB" }).home, "1 GiB")
    assert.strictEqual(workspaceDescription("/srv/project", { home: false }).home, false)
  })
  it("is none where there may be no place for it", () => {
    assert.isUndefined(workspaceDescription("/srv/project", { root: "/srv/alpine" }).home)
    assert.isUndefined(workspaceDescription("/srv/project", { root: layers("/a", "/b") }).home)
    assert.isUndefined(workspaceDescription("/home").home)
  })
})
