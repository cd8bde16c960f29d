/**
 * Tables of a measurement: on the terminal, as JSON, and in the documents, between marks, so that no figure is typed by hand.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root } from "./place.mjs"

/** @typedef {{ title: string, head: readonly string[], rows: readonly (readonly string[])[] }} Table */

/** @param {number | undefined} value */
export const ms = (value) => value === undefined || Number.isNaN(value) ? "" : `${value.toFixed(1)} ms`

/** @param {number} kib as the kernel tells it */
export const mib = (kib) => Number.isNaN(kib) ? "" : `${(kib / 1024).toFixed(0)} MiB`

/**
 * @param {number | undefined} value
 * @param {number | undefined} base
 */
export const ratio = (value, base) =>
  value === undefined || base === undefined || !(base > 0) || Number.isNaN(value) ? "" : (value / base).toFixed(2)

/** @param {Table} table */
export const markdown = ({ head, rows, title }) =>
  [
    `**${title}**`,
    "",
    `| ${head.join(" | ")} |`,
    `|${head.map((_, index) => index === 0 ? "---" : "---:").join("|")}|`,
    ...rows.map((row) => `| ${row.join(" | ")} |`)
  ].join("\n")

/**
 * Puts text between two marks of a document: `<!-- NAME -->` and `<!-- /NAME -->`.
 *
 * @param {string} file
 * @param {string} name
 * @param {string} text
 */
export const write = (file, name, text) => {
  const path = join(root, file)
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const before = readFileSync(path, "utf8")
  const [from, to] = [before.indexOf(begin), before.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`${file} has no ${begin} … ${end}`)
  writeFileSync(path, `${before.slice(0, from + begin.length)}\n\n${text}\n\n${before.slice(to)}`)
}
