/**
 * Writes the reference from the doc comments: `node scripts/reference.mjs` makes `docs/reference/` again. A test compares.
 *
 * By the compiler's own API: what a module exports, and what the types are that nobody has written down. The modules of a
 * pattern among the exports (`./steps/*`) have a page for each folder, all others a page each.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"
import { API, SymbolFlags } from "typescript/unstable/sync"
import { firstSentence, headOf, markdownOf, tagOf } from "./reference/comments.mjs"
import { ownComment, show } from "./reference/declarations.mjs"

/** @typedef {import("typescript/unstable/sync").Checker} Checker */
/** @typedef {import("typescript/unstable/sync").Symbol} Exported */
/** @typedef {{ readonly name: string, readonly source: string, readonly page: string, readonly of: string }} Module */

const top = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")
/** @type {{ readonly exports: Readonly<Record<string, string>> }} */
const manifest = JSON.parse(readFileSync(join(top, "package.json"), "utf8"))

/**
 * The public modules: their names for an import, their sources, and their pages.
 *
 * @returns {ReadonlyArray<Module>}
 */
const modules = Object.entries(manifest.exports).filter(([, target]) => target.endsWith(".js")).flatMap(
  ([door, target]) => {
    const source = target.replace("./dist/", "src/").replace(/\.js$/, ".ts")
    const name = `runfx${door.slice(1)}`
    if (!door.includes("*")) return [{ name, source, page: name.replaceAll("/", "."), of: "" }]
    const folder = dirname(source)
    return readdirSync(join(top, folder), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
      .toSorted().map((file) => {
        const inner = dirname(file)
        const of = inner === "." ? dirname(name) : `${dirname(name)}/${inner}`
        return {
          name: `${dirname(name)}/${file.replace(/\.ts$/, "")}`,
          source: `${folder}/${file}`,
          page: of.replaceAll("/", "."),
          of
        }
      })
  }
)

/** The page of each source that has one. */
const pageOf = new Map(modules.map((module) => [module.source, module]))

const cell = (/** @type {string} */ text) => text.replaceAll("\n", " ").replaceAll(/ +/g, " ").replaceAll("|", "\\|")
const code = (/** @type {string} */ text) => text.includes("`") ? `\`\` ${cell(text)} \`\`` : `\`${cell(text)}\``

/** @param {ReadonlyArray<import("./reference/declarations.mjs").Member>} members */
const table = (members) => {
  if (members.length === 0) return []
  const rows = members.map(({ name, text, type }) =>
    `| \`${name}\` | ${type === "" ? "" : code(type)} | ${cell(text.split("\n\n**Example**")[0] ?? "")} |`
  )
  return [["| name | type | what |", "|---|---|---|", ...rows].join("\n")]
}

/** @param {string} file absolute */
const sourceOf = (file) => relative(top, file)

/**
 * What is declared, without the way that it has come here.
 *
 * @param {Exported} symbol
 * @param {Checker} checker
 */
const target = (symbol, checker) => (symbol.flags & SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol)

/**
 * A tag of an export: its own, or that of the head of the module that declares it.
 *
 * @param {Exported} symbol
 * @param {Checker} checker
 * @param {"category" | "since"} tag
 */
const labelOf = (symbol, checker, tag) => {
  const nodes = target(symbol, checker).declarations.map((handle) => handle.resolve()).filter((node) =>
    node !== undefined
  )
  const own = nodes.map((node) => tagOf(ownComment(node), tag)).find((text) => text !== undefined)
  return own ?? nodes.map((node) => tagOf(headOf(node.getSourceFile().text), tag)).find((text) => text !== undefined)
}

/**
 * The exports of a module by their categories, in the order in which the module has them.
 *
 * @param {ReadonlyArray<Exported>} symbols
 * @param {Checker} checker
 */
const byCategory = (symbols, checker) => {
  /** @type {Map<string, Array<Exported>>} */
  const groups = new Map()
  for (const symbol of symbols) {
    const category = labelOf(symbol, checker, "category") ?? ""
    groups.set(category, [...groups.get(category) ?? [], symbol])
  }
  return groups
}

/**
 * The section of one export.
 *
 * @param {Exported} symbol
 * @param {Checker} checker
 * @param {Module} module
 * @param {string} level
 * @returns {ReadonlyArray<string>}
 */
const section = (symbol, checker, module, level) => {
  const declared = target(symbol, checker)
  const nodes = declared.declarations.map((handle) => handle.resolve()).filter((node) => node !== undefined)
  const [first] = nodes
  if (first === undefined) throw new Error(`${module.name}: ${symbol.name} is declared nowhere`)
  const source = sourceOf(first.getSourceFile().fileName)
  const elsewhere = pageOf.get(source)
  const title = `${level} ${symbol.name}`
  const whole = (declared.flags & SymbolFlags.ValueModule) !== 0 && first.getSourceFile() === first
  const head = firstSentence(headOf(first.getSourceFile().text))
  if (elsewhere !== undefined && elsewhere.source !== module.source) {
    const what = whole ? head : firstSentence(show(first, checker).comment)
    const anchor = whole ? "" : `#${declared.name.toLowerCase()}`
    return [title, `${what} See [${elsewhere.name}](${elsewhere.page}.md${anchor}).`]
  }
  if (whole) {
    const inner = checker.getExportsOfModule(declared).flatMap((one) =>
      section(one, checker, { ...module, source }, `${level}#`)
    )
    return [title, head, ...inner]
  }
  const shown = nodes.filter((node) => sourceOf(node.getSourceFile().fileName) === source).map((node) =>
    show(node, checker)
  )
  const signatures = shown.map(({ signature }) => signature)
  return [
    title,
    `Since ${labelOf(symbol, checker, "since") ?? "?"}.`,
    `\`\`\`ts\n${signatures.join("\n")}\n\`\`\``,
    ...shown.map(({ comment }) => comment).filter((comment) => comment !== ""),
    ...shown.flatMap(({ members }) => table(members))
  ]
}

/** @param {string} category */
const titleOf = (category) => `${category.slice(0, 1).toUpperCase()}${category.slice(1)}`

/**
 * What a module says of itself, and all that it exports.
 *
 * @param {Module} module
 * @param {import("typescript/unstable/sync").Project} project
 */
const chapter = (module, { checker, program }) => {
  const file = program.getSourceFile(join(top, module.source))
  const symbol = file === undefined ? undefined : checker.getSymbolAtLocation(file)
  if (file === undefined || symbol === undefined) throw new Error(`${module.source} is no module`)
  const level = module.of === "" ? "#" : "##"
  const groups = byCategory(checker.getExportsOfModule(symbol), checker)
  const sections = groups.size < 2
    ? [...groups.values()].flat().flatMap((one) => section(one, checker, module, `${level}#`))
    : [...groups].flatMap(([category, all]) => [
      `${level}# ${titleOf(category)}`,
      ...all.flatMap((one) => section(one, checker, module, `${level}##`))
    ])
  return [`${level} ${module.name}`, markdownOf(headOf(file.text)), ...sections]
}

/**
 * The page that leads to all others: what a module says first of itself, or, for a folder, its modules.
 *
 * @param {ReadonlyMap<string, ReadonlyArray<Module>>} byPage
 */
const index = (byPage) => {
  const rows = [...byPage].map(([page, all]) => {
    const { name, of, source } = /** @type {Module} */ (all[0])
    const what = of === ""
      ? firstSentence(headOf(readFileSync(join(top, source), "utf8")))
      : all.map((module) => module.name.slice(of.length + 1)).join(", ")
    return `| [${of === "" ? name : `${of}/…`}](${page}.md) | ${cell(what)} |`
  })
  return `# Reference

All that the package exports, from the doc comments: for each export its signature, what it does, and what it has. The guide
by task is in [guide/](../README.md); the typed errors are listed in [errors.md](../errors.md).

These pages are written by \`node scripts/reference.mjs\`.

| import | what it is |
|---|---|
${rows.join("\n")}
`
}

/**
 * What the project's compiler knows of its modules.
 *
 * @template A
 * @param {(project: import("typescript/unstable/sync").Project) => A} use
 */
const withProject = (use) => {
  const api = new API({ cwd: top })
  try {
    const [project] = api.updateSnapshot({ openProjects: [join(top, "tsconfig.build.json")] }).getProjects()
    if (project === undefined) throw new Error("tsconfig.build.json is no project")
    return use(project)
  } finally {
    api.close()
  }
}

/**
 * All exports of all modules, each with its category and the version that had it first.
 *
 * @returns {ReadonlyArray<{ readonly name: string, readonly category: string | undefined, readonly since: string | undefined }>}
 */
export const labels = () =>
  withProject(({ checker, program }) =>
    modules.flatMap(({ name, source }) => {
      const file = program.getSourceFile(join(top, source))
      const symbol = file === undefined ? undefined : checker.getSymbolAtLocation(file)
      return symbol === undefined ? [] : checker.getExportsOfModule(symbol).map((one) => ({
        name: `${name}#${one.name}`,
        category: labelOf(one, checker, "category"),
        since: labelOf(one, checker, "since")
      }))
    })
  )

/**
 * All pages, each under the name of its file.
 *
 * @returns {ReadonlyMap<string, string>}
 */
export const pages = () =>
  withProject((project) => {
    /** @type {Map<string, ReadonlyArray<Module>>} */
    const byPage = new Map()
    for (const module of modules) byPage.set(module.page, [...byPage.get(module.page) ?? [], module])
    const written = [...byPage].map(([page, all]) => {
      const of = all[0]?.of ?? ""
      const title = of === "" ? [] : [`# ${of}`]
      return /** @type {const} */ ([
        `${page}.md`,
        `${[...title, ...all.flatMap((one) => chapter(one, project))].join("\n\n")}\n`
      ])
    })
    return new Map([["README.md", index(byPage)], ...written])
  })

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = join(top, "docs/reference")
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  for (const [name, text] of pages()) writeFileSync(join(directory, name), text)
}
