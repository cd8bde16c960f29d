/** Puts a program of the tests into one file, with the library. */
import { buildSync } from "esbuild"
import { readFileSync } from "node:fs"

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))

/**
 * @param {string} outfile where the file goes
 * @param {string} entry what is run
 */
export const bundle = (outfile, entry) =>
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    minifySyntax: true,
    minifyWhitespace: true,
    define: { "import.meta.url": "__runfx_url", RUNFX_VERSION: JSON.stringify(version) },
    banner: { js: "const __runfx_url = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: "warning"
  })
