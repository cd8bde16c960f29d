/**
 * HTML around untrusted text. Whatever is put into a template is escaped, unless it is markup already.
 */
import { visible } from "./visible.ts"

/** A piece of HTML. */
export class Markup {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  "\"": "&quot;",
  "'": "&#39;"
}

const escaped = (text: string): string => visible(text).replace(/[&<>"']/g, (character) => escapes[character]!)

const piece = (value: Piece): string =>
  value instanceof Markup
    ? value.text
    : typeof value === "object"
    ? value.map(({ text }) => text).join("")
    : escaped(String(value))

/** What may be put into a template. */
type Piece = string | number | Markup | ReadonlyArray<Markup>

/**
 * Makes a piece of HTML. Its values are escaped, also for an attribute in quotes. Characters that are invisible, or that
 * change the order of others, are shown by their numbers.
 */
export const html = (literals: TemplateStringsArray, ...values: ReadonlyArray<Piece>): Markup =>
  new Markup(
    literals.map((literal, index) => `${literal}${index < values.length ? piece(values[index]!) : ""}`).join("")
  )

/** No markup. */
export const none = new Markup("")
