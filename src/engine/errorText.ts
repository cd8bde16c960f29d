/** Errors as text, whatever was thrown. */

/** The message of an error; any other value as a string. */
export const textOf = (error: unknown): string => error instanceof Error ? error.message : String(error)
