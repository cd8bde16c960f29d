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

/** With bigints packed; what holds none is given back as it is. */
const pack = (value: unknown): unknown => {
  if (typeof value === "bigint") return { $bigint: String(value) }
  if (Array.isArray(value)) {
    const packed = value.map(pack)
    return packed.every((item, index) => item === value[index]) ? value : packed
  }
  if (!isRecord(value)) return value
  const entries = Object.entries(value)
  let isSame = true
  for (const entry of entries) {
    const packed = pack(entry[1])
    isSame &&= packed === entry[1]
    entry[1] = packed
  }
  // not by assignment: "__proto__" must stay a key like any other
  const packed = isSame ? value : Object.fromEntries(entries)
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
