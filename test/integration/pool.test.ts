/** Pools of sandboxes that wait, as root and as a user, and their end with the application. */
import { assert, describe, it } from "@effect/vitest"
import { poolScenarios } from "../support/poolScenarios.ts"
import { callers } from "../support/sandboxes.ts"
import { endOfApplication, scenarioSuite } from "../support/scenarioSuite.ts"

scenarioSuite({
  title: "a pool",
  set: "pool",
  scenarios: poolScenarios,
  clean: "each",
  more: (sandboxes) =>
    describe.each(callers)("of %s", (caller) => {
      it.each(["exits", "is killed", "is asked to end", "ends", "forgets"])(
        "ends with its application, which %s",
        async (way) => {
          const code = await endOfApplication(sandboxes(), { caller, module: "poolApplication", way })
          if (way === "ends" || way === "forgets") assert.strictEqual(code, 0)
          // it had no time to remove what was written down: that is for prune
          if (way !== "exits" && way !== "is killed") assert.deepStrictEqual(sandboxes().left(caller), [])
          await sandboxes().begin(caller, "sandboxPrune", "", sandboxes().stateRoot(caller)).ended
          assert.deepStrictEqual(sandboxes().left(caller), [])
        }
      )
    })
})
