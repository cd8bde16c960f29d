/**
 * Texts of strangers, for a terminal: names of an image, paths of a bundle, words of a process of the container.
 */

/** What commands a terminal, changes the order in which it shows the others, or is not seen. */
const unseen = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

const escape = (character: string): string => {
  const number = character.codePointAt(0)!
  const hex = number.toString(16)
  return number < 0x100 ? `\\x${hex.padStart(2, "0")}` : number < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\u{${hex}}`
}

/**
 * A text without characters that command a terminal, that change the order in which it shows the others, or that are not
 * seen: each is shown by its number, as in `\x1b` or `\u202e`. The ends of lines and tabs stay.
 */
export const visible = (text: string): string => text.replace(unseen, escape)

/** As {@link visible}, in one line: also the ends of lines and tabs are shown by their numbers. */
export const visibleLine = (text: string): string => visible(text).replace(/[\n\t]/g, escape)

/** As {@link visible}, for a document of JSON, which stays the same document. */
export const visibleJson = (text: string): string =>
  text.replace(
    unseen,
    (character) =>
      Array.from({ length: character.length }, (_, index) =>
        `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`).join("")
  )
