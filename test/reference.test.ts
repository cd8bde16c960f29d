/** The reference says what the doc comments say. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { pages } from "../scripts/reference.mjs"

const remedy = "node scripts/reference.mjs"

describe("docs/reference", () => {
  const written = pages()

  it("has the pages that the script writes, and no others", () => {
    assert.deepStrictEqual(readdirSync("docs/reference").toSorted(), [...written.keys()].toSorted(), remedy)
  })

  it("says what the doc comments say", () => {
    const stale = [...written].filter(([name, text]) => readFileSync(`docs/reference/${name}`, "utf8") !== text)
    assert.deepStrictEqual(stale.map(([name]) => name), [], remedy)
  })

  it("has each export of a module, with its signature and its example", () => {
    const page = written.get("runfx.sandbox.md") ?? ""
    for (
      const text of ["## run\n", "const run = ", "**Example**", "## SandboxUnavailable", "| `advice` | `string` |"]
    ) {
      assert.include(page, text)
    }
  })
})
