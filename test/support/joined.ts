/**
 * The package with its modules joined to a few files: 600 modules take Node half a second of CPU time whenever a program starts
 * that imports them, and these a quarter of that.
 */
import { buildSync } from "esbuild"
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs"
import process from "node:process"
import { builtOnce } from "./builtOnce.ts"

/** What programs import of a package, `.` for all of it, and the file that is it here. */
type Exports = ReadonlyMap<string, string>

/** By package, what some programs import. */
const importsOf = (programs: ReadonlyArray<string>): ReadonlyMap<string, Exports> => {
  const found = new Map<string, Map<string, string>>()
  for (const program of programs) {
    for (const [, name, below] of program.matchAll(/from "((?:@[\w-]+\/)?[\w-]+)(\/[\w/-]+)?"/g)) {
      const exports = found.get(name!) ?? new Map<string, string>()
      found.set(name!, exports.set(`.${below ?? ""}`, `${name}${below ?? "/index"}`))
    }
  }
  return found
}

/**
 * A directory in whose `node_modules` the packages are that the programs import, made of what is installed in `app`.
 */
export const joined = (app: string, programs: ReadonlyArray<string>): string =>
  builtOnce("joined", (directory) => {
    const packages = [...importsOf(programs)]
    const modules = `${directory}/node_modules`
    buildSync({
      absWorkingDir: app,
      entryPoints: packages.flatMap(([name, exports]) =>
        [...exports].map(([below, out]) => ({ in: `${name}${below.slice(1)}`, out }))
      ),
      outdir: modules,
      bundle: true,
      splitting: true,
      format: "esm",
      platform: "node",
      target: "node20",
      logLevel: "error"
    })
    for (const [name, exports] of packages) {
      const files = [...exports].map(([below, out]) => [below, `./${out.slice(name.length + 1)}.js`])
      mkdirSync(`${modules}/${name}`, { recursive: true })
      writeFileSync(
        `${modules}/${name}/package.json`,
        JSON.stringify({ name, type: "module", exports: Object.fromEntries(files) })
      )
    }
    symlinkSync(`${process.cwd()}/node_modules/@koromix`, `${modules}/@koromix`)
    symlinkSync(`${process.cwd()}/node_modules/koffi`, `${modules}/koffi`)
    writeFileSync(`${directory}/package.json`, JSON.stringify({ type: "module" }))
  })
