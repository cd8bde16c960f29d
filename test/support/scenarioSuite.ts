/** Runs the scenarios of a set as root, here, and as a user, in another process. */
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as fs from "node:fs"
import { missing } from "./rootfs.ts"
import { type Caller, callers, makeSandboxes, type Sandboxes, usersMay } from "./sandboxes.ts"
import type { Scenario } from "./scenario.ts"
import { until } from "./until.ts"

/** A set of scenarios. */
export interface Suite {
  /** What the tests are of. */
  readonly title: string
  /** The set's name in `sandboxUser.ts`. */
  readonly set: string
  readonly scenarios: Readonly<Record<string, Scenario>>
  /** When nothing must be left of the sandboxes: after each test, or at the end. */
  readonly clean: "each" | "end"
  /** Further tests with the same sandboxes. */
  readonly more?: (sandboxes: () => Sandboxes) => void
}

/** Describes the tests of a set. */
export const scenarioSuite = ({ clean, more, scenarios, set, title }: Suite) =>
  describe.skipIf(missing !== undefined || !usersMay())(title, () => {
    let sandboxes: Sandboxes
    beforeAll(() => {
      sandboxes = makeSandboxes(`runfx-${set}`)
    })
    afterAll(() => sandboxes.remove())

    const nothingIsLeft = (caller: Caller) => assert.deepStrictEqual(sandboxes.left(caller), [])

    it.each(Object.keys(scenarios))("of root: %s", async (name) => {
      await scenarios[name]!({ stateRoot: sandboxes.stateRoot("root"), root: true })
      if (clean === "each") nothingIsLeft("root")
    })

    it("of a user: all of these", async () => {
      const { code, stderr, stdout } = await sandboxes.begin(
        "user",
        "sandboxUser",
        "",
        sandboxes.stateRoot("user"),
        set
      )
        .ended
      assert.deepStrictEqual(JSON.parse(stdout), {}, stderr)
      // it ends by itself: nothing of its sandboxes holds it up
      assert.strictEqual(code, 0)
      if (clean === "each") nothingIsLeft("user")
    })

    more?.(() => sandboxes)

    it.runIf(clean === "end")("leaves nothing behind", () => callers.forEach(nothingIsLeft))
  })

/**
 * Starts an application that has a sandbox and says its pid, has the application end in a way, and waits until the sandbox
 * has ended too. Returns the application's exit code.
 */
export const endOfApplication = async (
  sandboxes: Sandboxes,
  { caller, module, way }: { readonly caller: Caller; readonly module: string; readonly way: string }
): Promise<number | null> => {
  const application = sandboxes.begin(caller, module, "", sandboxes.stateRoot(caller), way)
  let said = ""
  application.process.stdout!.on("data", (chunk) => void (said += String(chunk)))
  await application.says("pid ")
  await until(() => /pid \d+\n/.test(said))
  const pid = Number(/pid (\d+)/.exec(said)![1])
  if (way === "is killed") application.process.kill("SIGKILL")
  if (way === "is asked to end") application.process.kill("SIGTERM")
  const { code } = await application.ended
  await until(() => !fs.existsSync(`/proc/${pid}`))
  return code
}
