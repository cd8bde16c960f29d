/** Pools of sandboxes that wait, as root and as a user, and their end with the application. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import { poolScenarios } from "../support/poolScenarios.ts"
import { missing } from "../support/rootfs.ts"
import { callers, makeSandboxes, type Sandboxes, usersMay } from "../support/sandboxes.ts"
import { until } from "../support/until.ts"

describe.skipIf(missing !== undefined || !usersMay())("a pool", () => {
  let sandboxes: Sandboxes
  beforeAll(() => {
    sandboxes = makeSandboxes("runfx-pool")
  })
  afterAll(() => sandboxes.remove())

  it.each(Object.keys(poolScenarios))("of root: %s", async (name) => {
    await poolScenarios[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
    assert.deepStrictEqual(sandboxes.left("root"), [])
  })

  it("of a user: all of these", async () => {
    const { stderr, stdout } = await sandboxes.begin("user", "sandboxUser", "", sandboxes.stateRoot("user"), "pool")
      .ended
    assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
    assert.deepStrictEqual(sandboxes.left("user"), [])
  })

  describe.each(callers)("of %s", (caller) => {
    it.each(["exits", "is killed", "is asked to end", "ends", "forgets"])(
      "ends with its application, which %s",
      async (way) => {
        const application = sandboxes.begin(caller, "poolApplication", "", sandboxes.stateRoot(caller), way)
        let said = ""
        application.process.stdout!.on("data", (chunk) => void (said += String(chunk)))
        await application.says("pid ")
        await until(() => /pid \d+\n/.test(said))
        const pid = Number(/pid (\d+)/.exec(said)![1])
        if (way === "is killed") application.process.kill("SIGKILL")
        if (way === "is asked to end") application.process.kill("SIGTERM")
        const { code } = await application.ended
        if (way === "ends" || way === "forgets") assert.strictEqual(code, 0)
        await until(() => !fs.existsSync(`/proc/${pid}`))
        // it had no time to remove what was written down: that is for prune
        if (way !== "exits" && way !== "is killed") assert.deepStrictEqual(sandboxes.left(caller), [])
        await sandboxes.begin(caller, "sandboxPrune", "", sandboxes.stateRoot(caller)).ended
        assert.deepStrictEqual(sandboxes.left(caller), [])
      }
    )
  })
})
