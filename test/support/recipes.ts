/** The programs of a page of docs/, each with what it prints below it. */
import { readFileSync } from "node:fs"

/** A program of a page. */
export interface Recipe {
  readonly title: string
  /** A module, or a shell script. */
  readonly language: "js" | "sh"
  readonly program: string
  readonly output: string
  /** Files that the page has shown before, by name. */
  readonly files: ReadonlyMap<string, string>
  /** Who may run it, if not everybody may. */
  readonly caller: "root" | "user" | undefined
  /** Programs of the host that it takes. */
  readonly needs: ReadonlyArray<string>
}

const heading = /^## (?<heading>[^\n]+)/
/** A comment right above the program, which readers do not see: `<!-- root, needs podman -->`. */
const comment = /(?:<!-- (?<marks>[^\n]*) -->\n)?/
/** With the name of a file behind its language, a block is that file. */
const block =
  /```(?<language>js|sh|ts|ini)(?: (?<name>\S+))?\n(?<text>[\s\S]*?)```(?:\n\n```text\n(?<output>[\s\S]*?)```)?/
const parts = new RegExp(`${heading.source}|${comment.source}${block.source}`, "gm")

/** All programs of a page that have their output below them. */
export const recipesOf = (page: string): ReadonlyArray<Recipe> => {
  const files = new Map<string, string>()
  const found: Array<Recipe> = []
  let title = ""
  for (const { groups = {} } of readFileSync(page, "utf8").matchAll(parts)) {
    const { heading, language, marks, name, output, text } = groups
    if (heading !== undefined) title = heading
    else if (name !== undefined) files.set(name, text!)
    else if (output !== undefined && (language === "js" || language === "sh")) {
      const words = (marks ?? "").split(", ")
      found.push({
        title: `${title} (${found.length})`,
        language,
        program: text!,
        output,
        files: new Map(files),
        caller: words.find((word) => word === "root" || word === "user"),
        needs: words.filter((word) => word.startsWith("needs ")).map((word) => word.slice("needs ".length))
      })
    }
  }
  return found
}

/** What a recipe may print: in the page, `…` stands for what differs from host to host, within a line. */
export const prints = (output: string): RegExp =>
  new RegExp(`^${output.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("…", ".*")}$`)
