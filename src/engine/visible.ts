/**
 * Untrusted text for a terminal: names in an image, paths of a bundle, output of the container's processes.
 */

/** Characters that control a terminal, change the order of others, or are invisible. */
const unseen = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const escape = (character: string): string => {
  const number = character.codePointAt(0)!
  const hex = number.toString(16)
  return number < 0x100 ? `\\x${hex.padStart(2, "0")}` : number < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`
}

/**
 * Shows characters that control a terminal, change the order of others, or are invisible, by their numbers, as in `\x1b` or
 * `\u202e`. Newlines and tabs stay.
 */
export const visible = (text: string): string => text.replace(unseen, escape)

/** As {@link visible}, in one line: newlines and tabs are shown by their numbers too. */
export const visibleLine = (text: string): string => visible(text).replace(/[\n\t]/g, escape)

/** As {@link visible}, for a document of JSON, which stays the same document. */
export const visibleJson = (text: string): string =>
  text.replace(
    unseen,
    (character) =>
      Array.from({ length: character.length }, (_, index) =>
        `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`).join("")
  )
