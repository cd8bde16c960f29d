/**
 * JSON that keeps bigints: `123n` is written as `{"$bigint":"123"}`. An object of the data that has a key like that itself
 * is wrapped, so that every value comes back as it was.
 */

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const onlyKey = (value: Readonly<Record<string, unknown>>): string | undefined => {
  const keys = Object.keys(value)
  return keys.length === 1 ? keys[0] : undefined
}

/** Whether a value is written as JSON writes it: it holds no bigint, and nothing that looks like one that was packed. */
const isPlain = (value: unknown): boolean => {
  if (typeof value === "bigint") return false
  if (typeof value !== "object" || value === null) return true
  if (Array.isArray(value)) return value.every(isPlain)
  for (const key in value) {
    if (key === "$bigint" || key === "$object" || !isPlain((value as Readonly<Record<string, unknown>>)[key])) {
      return false
    }
  }
  return true
}

/** With bigints packed; what holds none is given back as it is. */
const pack = (value: unknown): unknown => {
  if (isPlain(value)) return value
  if (typeof value === "bigint") return { $bigint: String(value) }
  if (Array.isArray(value)) return value.map(pack)
  if (!isRecord(value)) return value
  // not by assignment: "__proto__" must stay a key like any other
  const packed = Object.fromEntries(Object.entries(value).map(([key, field]) => [key, pack(field)]))
  const key = onlyKey(value)
  return key === "$bigint" || key === "$object" ? { $object: packed } : packed
}

const unpack = (value: unknown, wrapped = false): unknown => {
  if (Array.isArray(value)) return value.map((item) => unpack(item))
  if (!isRecord(value)) return value
  if (!wrapped) {
    const key = onlyKey(value)
    const content = key === undefined ? undefined : value[key]
    if (key === "$bigint" && typeof content === "string" && /^-?\d+$/.test(content)) return BigInt(content)
    if (key === "$object") return unpack(content, true)
  }
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, unpack(field)]))
}

/** Plain data as JSON text; fields that are `undefined` are left out. */
export const stringify = (value: unknown): string => `${JSON.stringify(pack(value))}\n`

/** Reads what {@link stringify} wrote. Throws a `SyntaxError` on what is no JSON. */
export const parse = (text: string): unknown => unpack(JSON.parse(text))
