/** Sandboxes that run: their streams, signals, further programs, and their end with the application, as root and as a user. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { callers } from "../support/sandboxes.ts"
import { scenarios } from "../support/sandboxScenarios.ts"
import { endOfApplication, scenarioSuite } from "../support/scenarioSuite.ts"

/** The cgroups of a sandbox, in whatever hierarchy. */
const cgroupsOf = (id: string) =>
  execFileSync("find", ["/sys/fs/cgroup", "-name", `runfx-${id}`], { encoding: "utf8" }).split("\n").filter(Boolean)

scenarioSuite({
  title: "a sandbox that runs",
  set: "sandbox",
  scenarios,
  clean: "each",
  more: (sandboxes) =>
    describe.each(callers)("of %s", (caller) => {
      it.each(["exits", "throws", "is killed", "is asked to end"])(
        "ends with its application, which %s",
        async (way) => {
          await endOfApplication(sandboxes(), { caller, module: "sandboxApplication", way })
          // it had no time to remove what was written down: that is for prune
          const forgotten = sandboxes().left(caller)
          assert.strictEqual(forgotten.length, way === "is asked to end" ? 0 : 1)
          const { stderr, stdout } = await sandboxes().begin(caller, "sandboxPrune", "", sandboxes().stateRoot(caller))
            .ended
          assert.deepStrictEqual(JSON.parse(stdout), forgotten.map((id) => ({ _tag: "Removed", id })), stderr)
          assert.deepStrictEqual(sandboxes().left(caller), [])
          assert.deepStrictEqual(forgotten.flatMap(cgroupsOf), [])
        }
      )
    })
})
