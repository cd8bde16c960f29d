/** What was thrown or failed with, as text. */

/** Its message, if it is an error. */
export const textOf = (error: unknown): string => error instanceof Error ? error.message : String(error)
