/**
 * Values that JSON has no form for: a bigint is `{"$bigint":"123"}`, and bytes are `{"$bytes":"…"}` in base64. The messages
 * of the channel, the state file and plans share this form. Each has its own rules besides for what it reads.
 */

/** A bigint, or bytes, as JSON. */
export type Tagged = { readonly $bigint: string } | { readonly $bytes: string }

/** A value as JSON, if it is a bigint or bytes. */
export const tagged = (value: unknown): Tagged | undefined => {
  if (typeof value === "bigint") return { $bigint: String(value) }
  return value instanceof Uint8Array ? { $bytes: Buffer.from(value).toString("base64") } : undefined
}

/**
 * Reverses {@link tagged}; `undefined` for any other object.
 *
 * @throws if the text of a bigint is not an integer
 */
export const untagged = (value: object): bigint | Uint8Array | undefined => {
  if ("$bigint" in value && typeof value.$bigint === "string") return BigInt(value.$bigint)
  if ("$bytes" in value && typeof value.$bytes === "string") return new Uint8Array(Buffer.from(value.$bytes, "base64"))
  return undefined
}
