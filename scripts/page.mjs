/**
 * Puts the script and the style of a plan's page, compiled and small, into `src/engine/planPage.ts`, with the hashes by
 * which the page's content security policy allows these two and nothing else.
 */
import { transformSync } from "esbuild"
import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const read = (/** @type {string} */ name) => readFileSync(new URL(`page/${name}`, import.meta.url), "utf8")

/** Browsers of 2023 and later. */
const target = "es2022"

/** @param {string} text */
const constant = (text) => JSON.stringify(text)

/** @param {string} text */
const hashOf = (text) => `sha256-${createHash("sha256").update(text).digest("base64")}`

/** The module, as it has to be. */
export const planPage = () => {
  const script = transformSync(read("plan.ts"), { loader: "ts", minify: true, target, format: "iife" }).code.trim()
  const style = transformSync(read("plan.css"), { loader: "css", minify: true }).code.trim()
  if (/<\/(?:script|style)/i.test(script + style)) throw new Error("the page's script or style would end its element")
  return `/** The script and the style of a plan's page. \`node scripts/page.mjs\` writes this file from \`scripts/page\`. */

/** What the page does. */
export const script: string =
  ${constant(script)}

/** How it looks. */
export const style: string =
  ${constant(style)}

/** What of these a browser compares with the page's policy. */
export const hashes = {
  script: ${constant(hashOf(script))},
  style: ${constant(hashOf(style))}
}
`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL("../src/engine/planPage.ts", import.meta.url), planPage())
}
