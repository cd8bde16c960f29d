/** What the documents say is true: public names are documented, tests and files that are named are there. */
import { assert, describe, it } from "@effect/vitest"
import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import process from "node:process"
import { finalize, type Pipeline } from "../src/index.ts"
import { presets } from "../src/pipelines/presets.ts"

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

/** What `runfx/testing` hands on of the model kernel, whose modules can't be imported from outside. */
const ofModel = ["ModelKernel", "Seed", "State", "Machine"]

const isPublic = (file: string): boolean =>
  !file.startsWith("src/model/") || ofModel.some((name) => file === `src/model/${name}.ts`)

/** All pages that are written for readers. */
const pages = [
  ...readdirSync(".").filter((name) => name.endsWith(".md")),
  ...readdirSync("docs", { recursive: true, encoding: "utf8" }).map((name) => `docs/${name}`).filter((name) =>
    name.endsWith(".md")
  )
]

/** What a page says, without its code: a link in that is none. */
const prose = (page: string): string => read(page).replaceAll(/^```[\s\S]*?^```/gm, "").replaceAll(/`[^`\n]+`/g, "code")

/** Where the links of a page lead, within the repository. */
const linksOf = (page: string): ReadonlyArray<{ readonly file: string; readonly anchor: string }> =>
  [...prose(page).matchAll(/\]\((?!https?:)([^)\s#]*)(?:#([^)\s]*))?\)/g)].map(([, file, anchor]) => ({
    file: file === "" ? page : join(dirname(page), file!).replace(/\/$/, ""),
    anchor: anchor ?? ""
  }))

/** The anchors of a page's headings, as GitHub makes them; one that is used again is counted. */
const anchorsOf = (page: string): ReadonlySet<string> => {
  const anchors = new Set<string>()
  for (const [, heading] of read(page).replaceAll(/^```[\s\S]*?^```/gm, "").matchAll(/^#{1,6} (.+)$/gm)) {
    const anchor = heading!.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-")
    let [name, count] = [anchor, 0]
    while (anchors.has(name)) name = `${anchor}-${++count}`
    anchors.add(name)
  }
  return anchors
}

describe("documents", () => {
  it("every public export has a doc comment", () => {
    assert.deepStrictEqual(sources("src").filter(isPublic).flatMap(undocumented), [])
  })

  it("every module says what it is for", () => {
    const without = sources("src").filter((file) => !/^(?:#!.*\n)?\/\*\*/.test(read(file)))
    assert.deepStrictEqual(without, [])
  })

  it.each([["decisions", 50], ["failures", 30]])("the tests that docs/%s.md names are there", (page, least) => {
    const named = [...read(`docs/${page}.md`).matchAll(/`([^`]+\.ts)` › “([^”]+)”/g)]
    assert.isAbove(named.length, least - 1)
    const wrong = named.filter(([, file, name]) => !existsSync(file!) || !read(file!).includes(name!))
    assert.deepStrictEqual(wrong.map(([text]) => text), [])
  })

  it("docs/errors.md lists every typed error (node scripts/errors.mjs > docs/errors.md)", () => {
    assert.strictEqual(read("docs/errors.md"), execFileSync(process.execPath, ["scripts/errors.mjs"]).toString())
  })

  it("the configurations that docs/testing.md counts are there", () => {
    const told = /(\d+) configurations as podman/.exec(read("docs/testing.md"))?.[1]
    const there = readdirSync("test/fixtures/engines").filter((file) => !file.includes(".process."))
    assert.strictEqual(Number(told), there.length)
  })

  it("is in everyday English: none of these words in comments and pages", () => {
    const bookish = new RegExp(
      "\\b(?:anew|hence|in case|in lieu of|lest|thereby|therefore|thus|whereas|whereby|wherein|whoever|by way of|" +
        "(?:here|there|where)(?:after|in|of|to|upon|with)|goes on)\\b",
      "i"
    )
    const comments = (file: string) => read(file).split("\n").map((line) => /^\s*(?:\/?\*|\/\/)/.test(line) ? line : "")
    // the names of tests are quoted
    const unquoted = (file: string) => read(file).replaceAll(/“[^”]*”/g, "").split("\n")
    const texts = [
      ...sources("src").map((file) => [file, comments(file)] as const),
      // the reference has the words of the sources
      ...pages.filter((page) => !page.startsWith("docs/reference/")).map((page) => [page, unquoted(page)] as const)
    ]
    const found = texts.flatMap(([file, lines]) =>
      lines.flatMap((line, index) => bookish.test(line) ? [`${file}:${index + 1} ${bookish.exec(line)![0]}`] : [])
    )
    assert.deepStrictEqual(found, [])
  })

  it("the pipelines of docs/architecture.md are those of the sources", () => {
    const told = [...read("docs/architecture.md").matchAll(/```pipeline (\w+)\n([^`]+)```/g)].map(([, name, text]) => {
      const steps = text!.split("→").map((step) => step.trim())
      return [name, steps.flatMap((step) => step === "finalize" ? namesOf(finalize) : [step])]
    })
    const all = [...presets, finalize].map((pipeline) => [pipeline.name, namesOf(pipeline)])
    assert.deepStrictEqual(Object.fromEntries(told), Object.fromEntries(all))
    assert.lengthOf(told, all.length)
  })

  it("the pipelines of the sources are all in presets.ts", () => {
    const files = readdirSync("src/pipelines").map((file) => file.replace(/\.ts$/, ""))
    const others = new Set(["finalize", "late", "presets"])
    assert.deepStrictEqual(
      presets.map(({ name }) => name).toSorted(),
      files.filter((file) => !others.has(file)).toSorted()
    )
  })

  it("the rooms of docs/architecture.md import each other as the sources do", () => {
    const roomOf = (file: string): string =>
      file.startsWith("native/linux/") ? "native/linux" : file.slice(0, Math.max(0, file.indexOf("/")))
    const edges = new Map<string, Set<string>>()
    for (const file of sources("src")) {
      const from = relative("src", file)
      for (
        const [, of, loaded] of read(file).matchAll(
          /^(?:import|export) [^;]*?from "(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm
        )
      ) {
        const room = roomOf(relative("src", join(dirname(file), (of ?? loaded)!)))
        const own = roomOf(from)
        if (own === "" || room === own || room === "") continue
        edges.set(own, (edges.get(own) ?? new Set()).add(room))
      }
    }
    const [, drawn] = /```rooms\n([^`]+)```/.exec(read("docs/architecture.md"))!
    const told = drawn!.trim().split("\n").map((line) => line.split("→").map((part) => part.trim()))
    const wrong = told.flatMap(([from, to]) => {
      const named = to!.split(" ").filter((word) => word !== "")
      const have = [...edges.get(from!) ?? []]
      return [
        ...have.filter((room) => !named.includes(room)).map((room) => `${from} imports ${room}, which is not drawn`),
        ...named.filter((room) => !have.includes(room)).map((room) => `${from} does not import ${room}, which is drawn`)
      ]
    })
    assert.deepStrictEqual(wrong, [])
    assert.deepStrictEqual([...edges.keys()].filter((room) => !told.some(([from]) => from === room)), [])
  })

  it.each(pages)("the files that %s names are there", (page) => {
    const names = [...read(page).matchAll(/`((?:src|test|examples|docs|bench|bin)\/[^`*<>… ]*)`/g)].map(([, name]) =>
      name!
    )
    assert.deepStrictEqual(names.filter((name) => !existsSync(name)), [])
  })

  it("every link leads to a file, and to a heading of it", () => {
    const links = pages.flatMap((page) => linksOf(page).map((link) => ({ page, ...link })))
    assert.isAbove(links.length, 200)
    const broken = links.filter(({ anchor, file }) =>
      !existsSync(file) || (anchor !== "" && !anchorsOf(file).has(anchor))
    )
    assert.deepStrictEqual(broken.map(({ anchor, file, page }) => `${page}: ${file}#${anchor}`), [])
  })

  it("every page of docs/ is reached from docs/README.md", () => {
    const reached = new Set(["docs/README.md"])
    for (const page of reached) {
      if (page.endsWith(".md")) { for (const { file } of linksOf(page)) reached.add(file) }
    }
    assert.deepStrictEqual(pages.filter((page) => page.startsWith("docs/") && !reached.has(page)), [])
  })
})
