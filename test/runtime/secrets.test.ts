/** Values of an environment reach the program, and nothing that is looked at. */
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { inspect } from "node:util"
import { defaultSpec } from "../../src/config/defaults.ts"
import * as Plan from "../../src/engine/Plan.ts"
import * as PlanText from "../../src/engine/PlanText.ts"
import { planRun } from "../../src/runtime/plan.ts"
import * as Runtime from "../../src/runtime/Runtime.ts"
import * as Sandbox from "../../src/sandbox.ts"
import { Check, ModelKernel } from "../../src/testing/Testing.ts"

const secret = "hunter2"
const env = ["LANG=C", Redacted.make(`TOKEN=${secret}`), `PLAIN=${secret}`]
const stateRoot = "/run/runfx"
const files = { "/srv/web/bin/server": { mode: 0o755 }, "/usr/bin/agent": { mode: 0o755 } }
const optionsOf = (program: string) => ({
  id: "web",
  container: defaultSpec({ rootfs: "/srv/web", args: [program], env }),
  stateRoot
})
/** All that a person or a log could be shown of a value. */
const shown = (value: unknown): string =>
  [
    inspect(value, { depth: Infinity, showHidden: true }),
    JSON.stringify(value, (_, one: unknown) => typeof one === "bigint" ? String(one) : one)
  ].join()

describe("a secret in an environment", () => {
  it("reaches the program, and no file that is written", () => {
    const model = ModelKernel.make({ cgroup: "v2", files })
    Effect.runSync(Effect.provide(Runtime.create(optionsOf("/bin/server")), model.layer))
    assert.deepStrictEqual(model.executed().map(({ envp }) => envp), [[
      "LANG=C",
      `TOKEN=${secret}`,
      `PLAIN=${secret}`,
      "HOME=/"
    ]])
    const { nodes } = model.state()
    const written = [...nodes.values()].map((node) => inspect(node, { depth: 4 })).join()
    assert.include(written, "server")
    assert.notInclude(written, secret)
  })

  it("is in no error of a start", () => {
    const model = ModelKernel.make({ cgroup: "v2", files })
    const exit = Effect.runSyncExit(Effect.provide(Runtime.create(optionsOf("/bin/none")), model.layer))
    assert.strictEqual(exit._tag, "Failure")
    const cause = exit._tag === "Failure" ? exit.cause : Cause.empty
    assert.include(Cause.pretty(cause), "/bin/none")
    assert.notInclude(Cause.pretty(cause) + shown(exit), secret)
  })

  it("is in no record of the calls, and no description of a sandbox", async () => {
    const sandbox = Sandbox.make({ env: { TOKEN: Redacted.make(secret) } })
    const checked = await Check.runPromise(Sandbox.run(sandbox, ["/usr/bin/agent"]), { machine: { files } })
    Check.succeeded(checked)
    assert.notInclude(Check.trail({ ...checked, shown: 1000 }) + shown(sandbox) + String(sandbox), secret)
  })

  it.live("is in no form of a plan", () =>
    Effect.gen(function*() {
      const container = defaultSpec({ rootfs: "/", args: ["/bin/true"], env })
      const plan = yield* planRun({ id: "web", container, stateRoot: "/run/runfx-secrets" })
      const forms = [Plan.toText(plan), Plan.toHtml(plan), PlanText.render(plan), shown(plan)]
      // a user without ids of its own can't make it: its plan ends there
      if (plan.fails === undefined) assert.include(plan.rows.map(({ step }) => step), "exec")
      for (const form of forms) assert.notInclude(form, secret)
    }))
})
