/** Sandboxes that run: their streams, signals, further programs, and their end with the application, as root and as a user. */
import { assert, describe, it } from "@effect/vitest"
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { guardsOf } from "../support/guards.ts"
import { callers } from "../support/sandboxes.ts"
import { scenarios } from "../support/sandboxScenarios.ts"
import { endOfApplication, scenarioSuite } from "../support/scenarioSuite.ts"
import { until } from "../support/until.ts"

/** The cgroups of a sandbox, in whatever hierarchy. Its status tells of others that have gone meanwhile, too. */
const cgroupsOf = (id: string) =>
  spawnSync("find", ["/sys/fs/cgroup", "-name", `runfx-${id}`], { encoding: "utf8" }).stdout.split("\n").filter(Boolean)

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

      it("is ended by prune, if its program has taken off the signal of its application's death, and the guard is killed too", async () => {
        const stateRoot = sandboxes().stateRoot(caller)
        const application = sandboxes().begin(caller, "sandboxApplication", "", stateRoot, "is outlived")
        const said = /pid (\d+)\n/
        let text = ""
        application.process.stdout!.on("data", (chunk) => void (text += String(chunk)))
        await until(() => said.test(text))
        const pid = Number(said.exec(text)![1])
        // the guard first: it would see the application's end
        for (const guard of guardsOf(application.process.pid!)) process.kill(guard, "SIGKILL")
        application.process.kill("SIGKILL")
        await application.ended
        assert.isTrue(fs.existsSync(`/proc/${pid}`))
        const ids = sandboxes().left(caller)
        const { stderr, stdout } = await sandboxes().begin(caller, "sandboxPrune", "", stateRoot).ended
        assert.deepStrictEqual(JSON.parse(stdout), ids.map((id) => ({ _tag: "Removed", id })), stderr)
        await until(() => !fs.existsSync(`/proc/${pid}`))
        assert.deepStrictEqual(sandboxes().left(caller), [])
        assert.deepStrictEqual(ids.flatMap(cgroupsOf), [])
      })

      it("ends with the worker thread that has it, and prune removes the rest while the application continues", async () => {
        const { stderr, stdout } = await sandboxes().begin(caller, "sandboxWorker", "", sandboxes().stateRoot(caller))
          .ended
        assert.deepStrictEqual(JSON.parse(stdout), { before: ["Kept"], after: ["Removed"], isThere: false }, stderr)
        assert.deepStrictEqual(sandboxes().left(caller), [])
      })
    })
})
