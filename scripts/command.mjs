/**
 * The command as files that a process of 100 ms loads fast: `main.cjs` with the options, a file for each subcommand, and
 * chunks with what several subcommands share. A subcommand loads what it needs, once, and nothing else.
 *
 * esbuild splits ES modules only, of which V8 keeps no compiled code. So its chunks become CommonJS here. In its own
 * translation each use of another chunk's export calls a getter; here a chunk takes them all when it is loaded, which is
 * the same as long as no export changes later. That is checked.
 */
import { buildSync, transformSync } from "esbuild"
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { builtinModules } from "node:module"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/**
 * The modules that `src/cli/main.ts` loads when a subcommand is used. Each has a file of its own, so that its name does not
 * change with what is in it.
 *
 * @type {string[]}
 */
export const subcommands = [
  ...new Set(
    [...readFileSync(join(root, "src/cli/main.ts"), "utf8").matchAll(/await import\("\.\/(\w+)\.ts"\)/g)]
      .map(([, name]) => name ?? "")
  )
]

/** @param {string} file */
const cjs = (file) => basename(file).replace(/\.js$/, ".cjs")

/**
 * A specifier of a chunk, as its translation has it.
 *
 * @param {string} specifier
 */
const required = (specifier) => {
  if (/^\.\/[\w-]+\.js$/.test(specifier)) return `require("./${cjs(specifier)}")`
  if (builtinModules.includes(specifier.replace(/^node:/, ""))) return `require("${specifier}")`
  throw new Error(`a chunk imports ${specifier}, which the package does not have`)
}

/**
 * `a as b, c` in braces, with `as` replaced.
 *
 * @param {string} names
 * @param {(from: string, to: string) => string} pair
 */
const pairs = (names, pair) =>
  names.split(",").map((name) => name.trim()).filter((name) => name !== "").map((name) => {
    const [from, to = from] = name.split(" as ")
    return pair(/** @type {string} */ (from), /** @type {string} */ (to))
  }).join(", ")

/**
 * How a file calls an export of a chunk, which only other files of the command import: by a short name.
 *
 * @typedef {(file: string, name: string) => string} Naming
 */

/**
 * @param {Record<string, { exports: string[] }>} outputs
 * @returns {Naming}
 */
const shortNames = (outputs) => {
  const known = new Map(
    Object.entries(outputs).filter(([file]) => basename(file).startsWith("chunk-")).map(([file, { exports }]) => [
      cjs(file),
      new Map(exports.map((name, index) => [name, `_${index.toString(36)}`]))
    ])
  )
  return (file, name) => known.get(cjs(file))?.get(name) ?? name
}

/**
 * An import statement of an ES module, in CommonJS.
 *
 * @param {string} clause
 * @param {string} specifier
 * @param {Naming} naming
 */
const importOf = (clause, specifier, naming) => {
  const from = required(specifier)
  if (clause === "") return `${from};`
  if (specifier.startsWith("./chunk-") && clause.includes("* as ")) {
    throw new Error(`${specifier} is imported as a whole`)
  }
  return clause
    .replace(/\{([^}]*)\}/, (_, names) => `{${pairs(names, (name, as) => `${naming(specifier, name)}: ${as}`)}}`)
    .split(/, (?![^{]*\})/)
    .map((part) => `const ${part.replace(/^\* as /, "")} = ${from};`).join(" ")
}

/**
 * A file of esbuild's as CommonJS.
 *
 * @param {string} file
 * @param {string} text
 * @param {Naming} naming
 */
const toCommonJs = (file, text, naming) =>
  text
    .replace(
      /^import (?:([^"']*?) from )?"([^"]+)";$/gms,
      (_, clause = "", specifier) => importOf(clause, specifier, naming)
    )
    .replace(/\bimport\("(\.\/[^"]+)"\)/g, (_, specifier) => `Promise.resolve().then(() => ${required(specifier)})`)
    .replace(/^export \{([^}]*)\};$/m, (_, names) =>
      `module.exports = {${pairs(names, (name, as) => `${naming(file, as)}: ${name}`)}};`)

/**
 * @param {string} directory where the files go; what is there is removed
 * @returns the modules of each file, and which other files it loads
 */
export const buildCommand = (directory) => {
  const { metafile, outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: ["main", ...subcommands].map((name) => `src/cli/${name}.ts`),
    outdir: directory,
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    platform: "node",
    target: "node20.19",
    format: "esm",
    minifySyntax: true,
    alias: {
      "node:child_process": join(root, "scripts/childProcess.cjs"),
      "node:module": join(root, "scripts/nodeModule.mjs")
    },
    define: { "import.meta.url": "__filename", RUNFX_VERSION: JSON.stringify(version) },
    logLevel: "warning"
  })
  const changing = new Set(
    Object.keys(metafile.inputs).flatMap((file) => {
      const names = readFileSync(join(root, file), "utf8").matchAll(/^export let (\w+)/gm)
      return [...names].map(([, name]) => name)
    })
  )
  for (const [file, { exports }] of Object.entries(metafile.outputs)) {
    const some = exports.filter((name) => changing.has(name.replace(/\d+$/, "")))
    if (some.length > 0) {
      throw new Error(`${file} exports ${some.join(", ")}, which may change: another chunk can't see that`)
    }
  }
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory, { recursive: true })
  const naming = shortNames(metafile.outputs)
  for (const { path, text } of outputFiles) {
    // names too: they are a sixth of the package. With --debug the command runs from the library's modules, which have them
    const { code } = transformSync(toCommonJs(path, text, naming), { minify: true, format: "cjs", target: "node20.19" })
    writeFileSync(join(directory, cjs(path)), code)
  }
  return metafile.outputs
}
