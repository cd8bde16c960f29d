/** What the documents say is true: public names are documented, tests and files that are named are there. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import {
  create,
  exec,
  finalize,
  kill,
  type Pipeline,
  remove,
  setns,
  standard,
  userns,
  usernsSetup
} from "../src/index.ts"

const namesOf = (pipeline: Pipeline.Any) => pipeline.steps.map(({ name }) => name)

const read = (file: string): string => readFileSync(file, "utf8")

const sources = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => `${entry.parentPath}/${entry.name}`)

const declaration =
  /^export (?:declare )?(?:abstract )?(?:async )?(const|let|function\*?|class|interface|type|namespace) (\w+)/

/** Exports without a doc comment right above them; a signature that is declared again needs one only the first time. */
const undocumented = (file: string): ReadonlyArray<string> => {
  const lines = read(file).split("\n")
  const seen = new Set<string>()
  return lines.flatMap((line, index) => {
    const name = declaration.exec(line)?.[2]
    if (name === undefined || seen.has(name)) return []
    seen.add(name)
    return (lines[index - 1] ?? "").trimEnd().endsWith("*/") ? [] : [`${file}:${index + 1} ${name}`]
  })
}

/** What `runfx/testing` gives; the rest of that room can't be imported from outside. */
const testing = ["Testing", "Check", "ModelKernel", "PlanDiff", "Recorder", "Faults", "Seed", "State", "Machine"]

const isPublic = (file: string): boolean =>
  !file.startsWith("src/testing/") || testing.some((name) => file === `src/testing/${name}.ts`)

describe("documents", () => {
  it("every public export has a doc comment", () => {
    assert.deepStrictEqual(sources("src").filter(isPublic).flatMap(undocumented), [])
  })

  it("every module says what it is for", () => {
    const without = sources("src").filter((file) => !/^(?:#!.*\n)?\/\*\*/.test(read(file)))
    assert.deepStrictEqual(without, [])
  })

  it("the tests that docs/decisions.md names are there", () => {
    const named = [...read("docs/decisions.md").matchAll(/`([^`]+\.test\.ts)` › “([^”]+)”/g)]
    assert.isAbove(named.length, 50)
    const wrong = named.filter(([, file, name]) => !existsSync(file!) || !read(file!).includes(name!))
    assert.deepStrictEqual(wrong.map(([text]) => text), [])
  })

  it("the pipelines of docs/architecture.md are those of the sources", () => {
    const told = [...read("docs/architecture.md").matchAll(/```pipeline (\w+)\n([^`]+)```/g)].map(([, name, text]) => {
      const steps = text!.split("→").map((step) => step.trim())
      return [name, steps.flatMap((step) => step === "finalize" ? namesOf(finalize) : [step])]
    })
    const all = [create, standard, finalize, userns, usernsSetup, exec, setns, kill, remove]
    assert.deepStrictEqual(told, all.map((pipeline) => [pipeline.name, namesOf(pipeline)]))
  })

  it.each(["README.md", "docs/decisions.md", "docs/architecture.md", "docs/testing.md"])(
    "the files that %s names are there",
    (document) => {
      const text = read(document)
      const names = [
        ...[...text.matchAll(/`((?:src|test|examples|docs|bench|bin)\/[^`*<>… ]*)`/g)].map(([, name]) => name!),
        ...[...text.matchAll(/\]\((?!http|#)([^)#]+)/g)].map(([, name]) =>
          document.startsWith("docs/") ? `docs/${name}` : name!
        )
      ]
      assert.deepStrictEqual(names.filter((name) => !existsSync(name)), [])
    }
  )
})
