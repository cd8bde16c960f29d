/** The reference says what the doc comments say. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"
import { labels, pages } from "../scripts/reference.mjs"

/** What an export can be. */
const categories = [
  "acts",
  "arguments",
  "caller",
  "calls",
  "capabilities",
  "cgroups",
  "channel",
  "checks",
  "constants",
  "constructors",
  "decoding",
  "defaults",
  "descriptions",
  "edits",
  "errnos",
  "errors",
  "events",
  "facts",
  "faults",
  "files",
  "guards",
  "handles",
  "headers",
  "hosts",
  "init",
  "inputs",
  "kernels",
  "kill",
  "metrics",
  "models",
  "networks",
  "options",
  "parent",
  "pipelines",
  "plans",
  "pools",
  "processes",
  "procfs",
  "programs",
  "records",
  "results",
  "rootfs",
  "running",
  "seccomp",
  "services",
  "shell",
  "state",
  "steps",
  "traces",
  "validation"
]

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

  it("has each export in a category, with the version that had it first", () => {
    const all = labels()
    const known = new Set(categories)
    const wrong = all.filter(({ category = "", since = "" }) => !known.has(category) || !/^\d+\.\d+\.0$/.test(since))
    // the head of a module says it for all of its exports, and an export for itself, if it differs
    assert.deepStrictEqual(wrong, [])
    assert.deepStrictEqual(categories.filter((one) => !all.some(({ category }) => category === one)), [])
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
