/**
 * Makes the package that users install: `build/runfx-VERSION.tgz`. It is not this directory as it is. The manifest has nothing
 * that is for those who work here (`prepare` would be a warning at each install), modules, launcher and schema have no comments
 * and no spaces, since the types have them, there are no types that nobody's compiler asks for, and no documents but the README:
 * these are read in the repository, and an editor shows the words of the reference from the types.
 *
 *     npm run package                        after npm run build
 *     npm publish build/runfx-VERSION.tgz
 */
import { transformSync } from "esbuild"
import { execFileSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"))

/** @param {string} file */
const isDoor = (file) =>
  Object.values(manifest.exports).some((/** @type {string} */ target) => {
    const [before = "", after] = target.replace("./dist/", "").split("*")
    return after === undefined ? file === before : file.startsWith(before) && file.endsWith(after)
  })

/** The types of the modules with a door, and those that a user's compiler may ask for: of what these mention, too. */
const typesOf = () => {
  const all = readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".d.ts")
  )
  const doors = Object.values(manifest.exports).flatMap((/** @type {string} */ target) => {
    const [before = "", after = ""] = target.replace("./dist/", "").replace(/\.js$/, ".d.ts").split("*")
    return target.includes("*")
      ? all.filter((name) => name.startsWith(before) && name.endsWith(after))
      : all.filter((name) => name === before)
  })
  const reached = new Set(doors)
  for (const name of reached) {
    for (
      const [, specifier = ""] of readFileSync(join(root, "dist", name), "utf8").matchAll(
        /(?:from |import\()"(\.[^"]+)"/g
      )
    ) {
      reached.add(join(name, "..", specifier).replace(/(?:\.js|\.ts)$/, ".d.ts"))
    }
  }
  return reached
}

/**
 * Types as a user's editor needs them: it shows the words of each export, and neither those of a module nor the tags of the
 * reference.
 *
 * @param {string} text
 */
const typesFor = (text) =>
  text.replace(/^\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n(?=import |export (?:type )?[{*]|\/\*\*)/, "")
    .replaceAll(/(?: \*\n)?(?: \* @(?:category|since) .*\n)+(?= \*\/)/g, "")

/** @param {string} place */
const stage = (place) => {
  const reached = typesOf()
  for (
    const name of [
      "README.md",
      "LICENSE",
      ...manifest.files.filter((/** @type {string} */ name) => name !== "dist" && !name.startsWith("!"))
    ]
  ) {
    cpSync(join(root, name), join(place, name), { recursive: true })
  }
  for (const name of readdirSync(join(place, "schema"))) {
    const file = join(place, "schema", name)
    writeFileSync(file, JSON.stringify(JSON.parse(readFileSync(file, "utf8"))))
  }
  for (const [name, lines] of /** @type {const} */ ([["bin/runfx", 2], ["bin/compiled.cjs", 0]])) {
    // the first two lines of a launcher are the shell's, too
    const all = readFileSync(join(root, name), "utf8").split("\n")
    const { code } = transformSync(all.slice(lines).join("\n"), { minifyWhitespace: true, minifySyntax: true })
    writeFileSync(join(place, name), [...all.slice(0, lines), code].join("\n"))
  }
  for (const file of readdirSync(join(root, "dist"), { recursive: true, encoding: "utf8" })) {
    const from = join(root, "dist", file)
    const to = join(place, "dist", file)
    mkdirSync(join(to, ".."), { recursive: true })
    if (file.endsWith(".cjs")) cpSync(from, to)
    if (reached.has(file)) writeFileSync(to, typesFor(readFileSync(from, "utf8")))
    if (file.endsWith(".js")) {
      const { code } = transformSync(readFileSync(from, "utf8"), {
        // what is exported keeps its name, in traces, too
        minifyIdentifiers: true,
        target: "node20.19",
        legalComments: "none",
        minifyWhitespace: true,
        minifySyntax: true,
        // Node prints the line that has thrown an error: that of a promise, or of a check, is in these
        ...(/^(?:promise|testing)\//.test(file) ? { lineLimit: 160 } : {})
      })
      // a module of types only: no other imports it, and nothing is in it
      if (code.trim() !== "export{};" || isDoor(file)) writeFileSync(to, code)
    }
  }
  const { allowScripts: _allow, devDependencies: _dev, overrides: _overrides, scripts: _scripts, ...kept } = manifest
  writeFileSync(join(place, "package.json"), `${JSON.stringify(kept, null, 2)}\n`)
}

/** The kinds of files in the order in which the tarball has them. */
const kinds = [/\.d\.ts$/, /\.js$/]

/**
 * Packs the same files in another order: types, then modules, then the rest, each by directory, and by size in there. gzip finds
 * what is the same within 32 KiB only, and neighbours are alike; npm's order, by the last name of a path, takes 4 % more.
 *
 * @param {string} tarball
 */
const reorder = (tarball) => {
  const place = mkdtempSync(join(tmpdir(), "runfx-order-"))
  try {
    execFileSync("tar", ["xzf", tarball, "-C", place])
    const kindOf = (/** @type {string} */ name) => [...kinds, /(?:)/].findIndex((kind) => kind.test(name))
    // not by name: that of a chunk has a hash of the directory that it was made in, and would decide of what it is a neighbour
    const sizeOf = (/** @type {string} */ name) => statSync(join(place, name)).size
    const byName = (/** @type {string} */ one, /** @type {string} */ other) => one < other ? -1 : one > other ? 1 : 0
    const names = execFileSync("tar", ["tzf", tarball], { encoding: "utf8" }).split("\n").filter((name) => name !== "")
      .toSorted((one, other) =>
        kindOf(one) - kindOf(other) || byName(dirname(one), dirname(other)) || sizeOf(one) - sizeOf(other) ||
        byName(one, other)
      )
    // the time is npm's own, the same for each file
    const as = ["--format=ustar", "--mtime=@499162500", "--owner=0", "--group=0", "--numeric-owner", "--no-recursion"]
    execFileSync("tar", ["cf", join(place, "all.tar"), ...as, "-C", place, "-T", "-"], { input: names.join("\n") })
    writeFileSync(tarball, execFileSync("gzip", ["-9nc", join(place, "all.tar")], { maxBuffer: 2 ** 26 }))
  } finally {
    rmSync(place, { recursive: true })
  }
}

/**
 * @param {string} directory where the tarball goes
 * @returns its path
 */
export const makePackage = (directory) => {
  const place = mkdtempSync(join(tmpdir(), "runfx-package-"))
  try {
    stage(place)
    mkdirSync(directory, { recursive: true })
    const text = execFileSync("npm", ["pack", "--json", "--pack-destination", resolve(directory)], {
      cwd: place,
      encoding: "utf8"
    })
    const packed = JSON.parse(text)
    const [{ filename }] = Array.isArray(packed) ? packed : Object.values(packed)
    const tarball = join(resolve(directory), filename)
    reorder(tarball)
    return tarball
  } finally {
    rmSync(place, { recursive: true })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--refuse")) {
    process.stderr.write("publish the tarball that npm run package makes, not this directory\n")
    process.exitCode = 1
  } else console.log(makePackage(join(root, "build")))
}
