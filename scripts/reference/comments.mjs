/** Doc comments as Markdown. */

/** What a tag of a doc comment is called in the page; a tag that is not here is for tools. */
const tags = new Map([["see", "See"], ["throws", "Throws"], ["returns", "Returns"], ["return", "Returns"]])

/** @param {string} text */
const unlinked = (text) => text.replaceAll(/\{@link ([\w.]+)\}/g, "`$1`")

/**
 * A tag with its text as a line of Markdown; empty if it is for tools.
 *
 * @param {string} name
 * @param {string} text
 */
const tagLine = (name, text) => {
  const title = tags.get(name)
  if (title !== undefined) return `- ${title} ${text}`
  const [, of = "", what = ""] = name === "param" ? /^(?:\{.*?\} )?(\w+)(?: (?:- )?(.*))?$/.exec(text) ?? [] : []
  return of === "" || what === "" ? "" : `- \`${of}\`: ${what}`
}

/**
 * The text of a doc comment as Markdown: as it is written, and its tags as a list.
 *
 * @param {string} comment with or without its delimiters
 */
export const markdownOf = (comment) => {
  const text = comment.replace(/^\s*\/\*\*/, "").replace(/\*\/\s*$/, "").replaceAll(/^[ \t]*\* ?/gm, "").trim()
  const [prose = "", ...tagged] = text.split(/(?:^|(?<=[.:]) )@(?=\w)/m)
  const lines = tagged.map((tag) => {
    const [, name = "", rest = ""] = /^(\w+)\s*([\s\S]*)$/.exec(tag) ?? []
    return tagLine(name, rest.trim().replaceAll(/\s*\n\s*/g, " "))
  })
  return unlinked(
    [prose.trim(), lines.filter((line) => line !== "").join("\n")].filter((part) => part !== "").join("\n\n")
  )
}

/**
 * The first sentence of a comment, in a line.
 *
 * @param {string} comment
 */
export const firstSentence = (comment) => {
  const [first = ""] = markdownOf(comment).split("\n\n")
  const text = first.replaceAll("\n", " ")
  return (/^.*?[.:](?=\s|$)/.exec(text)?.[0] ?? text).replace(/:$/, ".")
}

/**
 * The text of a tag of a doc comment; `undefined` if it has none.
 *
 * @param {string} comment
 * @param {string} tag
 */
export const tagOf = (comment, tag) => new RegExp(`^\\s*\\*? ?@${tag} (.+?)(?:\\s*\\*/)?$`, "m").exec(comment)?.[1]

/**
 * The doc comment right above a place in a source; empty if there is none.
 *
 * @param {string} source
 * @param {number} from where what stands before has ended
 * @param {number} to where it starts
 */
export const commentBefore = (source, from, to) =>
  /\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*$/.exec(source.slice(from, to))?.[0] ?? ""

/**
 * What the head of a module says.
 *
 * @param {string} source
 */
export const headOf = (source) => /^(?:#!.*\n)?(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)/.exec(source)?.[1] ?? ""
