/** Arguments and results of calls as JSON. */
import { type Tagged, tagged, untagged } from "./taggedJson.ts"

/** An argument as JSON: big integers and bytes have a tag. */
export type Json =
  | null
  | boolean
  | number
  | string
  | Tagged
  | ReadonlyArray<Json>
  | { readonly [key: string]: Json }

/** A value as JSON; what JSON has no form for is left out. */
export const toJson = (value: unknown): Json => {
  const special = tagged(value)
  if (special !== undefined) return special
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).filter(([, field]) => field !== undefined).map(([key, field]) => [key, toJson(field)])
    )
  }
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean" ? value : null
}

/** Reverses {@link toJson}. */
export const fromJson = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== "object" || value === null) return value
  return untagged(value) ?? Object.fromEntries(Object.entries(value).map(([key, field]) => [key, fromJson(field)]))
}
