/** What an editor shows of the names in a user's program: one line that can be read. */
import { assert, describe, it } from "@effect/vitest"
import { fileURLToPath } from "node:url"
import { hoversOf } from "../support/languageServer.ts"

const example = fileURLToPath(new URL("hovers.test-d.ts", import.meta.url))

/** Letters, of most names; and of an effect with all errors of a run but one, of which the compiler itself shows some. */
const most = { usual: 200, manyErrors: 400 }

describe("a hover", () => {
  it("is a line that says what it is", async () => {
    const hovers = await hoversOf(example, "/\\*\\?\\*/")
    assert.strictEqual(hovers.size, 20)
    for (const [name, text] of hovers) {
      assert.match(text, new RegExp(`^(const|\\(parameter\\)) ${name}: [^\\n]+$`))
      assert.isAtMost(text.length, name === "caught" ? most.manyErrors : most.usual, text)
      assert.notMatch(text, /: (any|unknown|never)$/)
    }
    assert.strictEqual(hovers.get("preset"), "const preset: Standard")
    assert.match(hovers.get("piped")!, /^const piped: Pipeline\.Edited<Standard, \[/)
    assert.strictEqual(
      hovers.get("said"),
      "const said: Effect.Effect<Sandbox.Result, Sandbox.SandboxError, Fork | Kernel>"
    )
    assert.strictEqual(hovers.get("reason"), "(parameter) reason: ProgramNotFound")
    // the pipelines that it may have failed in, by name
    assert.include(hovers.get("caught"), "Pipeline.Failure<Kill>")
  })
})
