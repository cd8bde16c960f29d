/** The list of mutants fits the code, and each is caught; running them is up to scripts/mutants.mjs. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"

const read = (file: string): string => readFileSync(file, "utf8")

interface Mutant {
  readonly file: string
  readonly find: string
  readonly replace: string
  readonly breaks: string
  readonly tests: ReadonlyArray<string>
  readonly compiler?: boolean
  /** Why nothing can tell the difference. */
  readonly equivalent?: string
  /** What told, when it was run last. */
  readonly caught?: { readonly by: string; readonly name?: string }
}

const mutants = JSON.parse(read("test/mutants/mutants.json")) as ReadonlyArray<Mutant>
describe("the mutants", () => {
  it("are at least sixty, each said once", () => {
    assert.isAtLeast(mutants.length, 60)
    assert.strictEqual(new Set(mutants.map(({ breaks }) => breaks)).size, mutants.length)
  })

  it("each change a text that is in its file exactly once", () => {
    const wrong = mutants.filter(({ file, find, replace }) => read(file).split(find).length !== 2 || find === replace)
    assert.deepStrictEqual(wrong.map(({ breaks, file }) => `${file}: ${breaks}`), [])
  })

  it("are all caught, or can't be", () => {
    const alive = mutants.filter(({ caught, equivalent }) => caught === undefined && equivalent === undefined)
    assert.deepStrictEqual(alive.map(({ breaks, file }) => `${file}: ${breaks}`), [])
  })

  it("are caught by tests that are there", () => {
    const gone = mutants.filter(({ caught }) =>
      caught !== undefined && caught.by !== "the compiler" && !existsSync(caught.by)
    )
    assert.deepStrictEqual(gone.map(({ caught }) => caught), [])
    assert.deepStrictEqual(mutants.flatMap(({ tests }) => tests.filter((test) => !existsSync(test))), [])
  })
})

describe("docs/testing.md", () => {
  it("has the code of the tests among the examples, word for word", () => {
    const blocks = [...read("docs/testing.md").matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code!)
    assert.isAtLeast(blocks.length, 6)
    const examples = readdirSync("examples").filter((name) => name.endsWith(".test.ts")).map((name) =>
      read(`examples/${name}`)
    )
    assert.deepStrictEqual(blocks.filter((code) => !examples.some((example) => example.includes(code))), [])
  })
})
