/** Programs of the tests that run in a process of their own, each as one file. */
import { buildSync } from "esbuild"
import * as fs from "node:fs"
import * as path from "node:path"

/** Bundles a module of `test/support` into a directory, once, and returns the file. */
export const bundleDriver = (directory: string, module: string): string => {
  const outfile = path.join(directory, `${module}.mjs`)
  if (!fs.existsSync(outfile)) {
    buildSync({
      entryPoints: [`test/support/${module}.ts`],
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      packages: "external",
      outfile,
      logLevel: "error"
    })
  }
  // what is external is found from there
  const modules = path.join(directory, "node_modules")
  if (!fs.existsSync(modules)) fs.symlinkSync(path.resolve("node_modules"), modules)
  return outfile
}
