/**
 * Command lines for the shell in the sandbox, with values that the shell does not interpret.
 *
 * @category shell
 * @since 0.2.0
 */

/** A value that can be part of a command line; a list becomes several words. */
export type Value = string | number | bigint | ReadonlyArray<string | number | bigint>

const quoteOne = (value: unknown): string => {
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "bigint") {
    throw new TypeError(`a command line takes texts, numbers, and lists of them, and not ${typeof value}`)
  }
  return `'${String(value).replaceAll("'", "'\\''")}'`
}

/**
 * A value as one word of a shell; a list as one word for each of its entries.
 *
 * **Example**
 *
 * ```ts
 * quote("it's; rm -rf /") // 'it'\''s; rm -rf /'
 * ```
 *
 * @throws TypeError if the value is no text, number, or list of them
 */
export const quote = (value: Value): string => Array.isArray(value) ? value.map(quoteOne).join(" ") : quoteOne(value)

/**
 * A command line, in which each value is quoted.
 *
 * **Example**
 *
 * ```ts
 * shell`cp ${["a b", "c"]} ${target}` // cp 'a b' 'c' '/srv/job'
 * ```
 */
export const shell = (texts: TemplateStringsArray, ...values: ReadonlyArray<Value>): string =>
  texts.reduce((line, text, index) => line + quote(values[index - 1]!) + text)
