/** Sandboxes that run: their streams, signals, further programs, and their end with the application, as root and as a user. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { missing } from "../support/rootfs.ts"
import { callers, makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"
import { scenarios } from "../support/sandboxScenarios.ts"
import { until } from "../support/until.ts"

/** The cgroups of a sandbox, in whatever hierarchy. */
const cgroupsOf = (id: string) =>
  execFileSync("find", ["/sys/fs/cgroup", "-name", `runfx-${id}`], { encoding: "utf8" }).split("\n").filter(Boolean)

describe.skipIf(missing !== undefined || !usersMay())("a sandbox that runs", () => {
  let sandboxes: Sandboxes
  beforeAll(() => {
    sandboxes = makeSandboxes("runfx-spawned")
  })
  afterAll(() => sandboxes.remove())

  it.each(Object.keys(scenarios))("of root: %s", async (name) => {
    await scenarios[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
    assert.deepStrictEqual(sandboxes.left("root"), [])
  })

  it("of a user: all of these", async () => {
    const { stderr, stdout } = await sandboxes.begin("user", "sandboxUser", "", sandboxes.stateRoot("user"), "sandbox")
      .ended
    assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
    assert.deepStrictEqual(sandboxes.left("user"), [])
  })

  describe.each(callers)("of %s", (caller) => {
    it.each(["exits", "throws", "is killed", "is asked to end"])("ends with its application, which %s", async (way) => {
      const application = sandboxes.begin(caller, "sandboxApplication", "", sandboxes.stateRoot(caller), way)
      let said = ""
      application.process.stdout!.on("data", (chunk) => void (said += String(chunk)))
      await application.says("pid ")
      await until(() => /pid \d+\n/.test(said))
      const pid = Number(/pid (\d+)/.exec(said)![1])
      if (way === "is killed") application.process.kill("SIGKILL")
      if (way === "is asked to end") application.process.kill("SIGTERM")
      await application.ended
      await until(() => !fs.existsSync(`/proc/${pid}`))
      // it had no time to remove what was written down: that is for prune
      const forgotten = sandboxes.left(caller)
      assert.strictEqual(forgotten.length, way === "is asked to end" ? 0 : 1)
      const { stderr, stdout } = await sandboxes.begin(caller, "sandboxPrune", "", sandboxes.stateRoot(caller)).ended
      assert.deepStrictEqual(JSON.parse(stdout), forgotten.map((id) => ({ _tag: "Removed", id })), stderr)
      assert.deepStrictEqual(sandboxes.left(caller), [])
      assert.deepStrictEqual(forgotten.flatMap(cgroupsOf), [])
    })
  })
})
