/** Puts the command into one file. */
import { buildSync } from "esbuild"

/** @param {string} outfile where the file goes */
export const bundle = (outfile) =>
  buildSync({
    entryPoints: ["src/cli/main.ts"],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20.19",
    format: "cjs",
    minifySyntax: true,
    minifyWhitespace: true,
    external: ["koffi"],
    define: { "import.meta.url": "__runfx_url" },
    banner: { js: "const __runfx_url = require('node:url').pathToFileURL(__filename).href;" },
    logLevel: "warning"
  })
