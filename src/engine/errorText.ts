/** What messages are made of: errors, whatever was thrown, and texts of somebody else. */

/** The message of an error; any other value as a string. */
export const textOf = (error: unknown): string => error instanceof Error ? error.message : String(error)

/** The longest part of a text that a message shows. */
const shown = 120

/** A text for a message: a long one is cut. */
export const cut = (text: string): string => text.length > shown ? `${text.slice(0, shown)}…` : text
