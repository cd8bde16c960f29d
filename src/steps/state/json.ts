/**
 * JSON that keeps bigints: `123n` is written as `{"$bigint":"123"}`. If an object of the data has such a key itself, it is
 * wrapped, so that every value is read back as it was.
 *
 * @category state
 * @since 0.1.0
 */
import { tagged, untagged } from "../../engine/taggedJson.ts"

type Parts = Readonly<Record<string, unknown>>

/**
 * An array or an object with each part changed; the same one if no part changes. A state has hundreds of parts, and nearly none
 * changes: no object is made for those.
 */
const withParts = (whole: object, change: (part: unknown) => unknown): object => {
  if (Array.isArray(whole)) {
    let changed: Array<unknown> | undefined
    // by index: a hole is a part, too
    for (let index = 0; index < whole.length; index++) {
      const now = change(whole[index])
      if (now !== whole[index]) changed ??= whole.slice(0, index)
      changed?.push(now)
    }
    return changed ?? whole
  }
  const keys = Object.keys(whole)
  let changed: Array<readonly [string, unknown]> | undefined
  keys.forEach((key, index) => {
    const part = (whole as Parts)[key]
    const now = change(part)
    if (now !== part) changed ??= keys.slice(0, index).map((same) => [same, (whole as Parts)[same]])
    changed?.push([key, now])
  })
  // not by assignment: "__proto__" must stay a key like any other
  return changed === undefined ? whole : Object.fromEntries(changed)
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

const onlyKey = (value: object): string | undefined => {
  if (Array.isArray(value)) return undefined
  const keys = Object.keys(value)
  return keys.length === 1 ? keys[0] : undefined
}

/** Around an object that could be taken for a bigint, or for this. */
class Wrapped {
  readonly $object: unknown
  constructor(object: unknown) {
    this.$object = object
  }
}

/** The form of a part in the file. By the part itself: a program may have given bigints a `toJSON`. */
const pack = function(this: Parts, name: string, value: unknown): unknown {
  const part = this[name]
  if (typeof part === "bigint") return tagged(part)
  if (!isObject(value) || this instanceof Wrapped) return value
  const key = onlyKey(value)
  return key === "$bigint" || key === "$object" ? new Wrapped(value) : value
}

const unpack = (value: unknown): unknown => {
  if (!isObject(value)) return value
  const key = onlyKey(value)
  if (key === "$bigint" || key === "$object") {
    const content = (value as Parts)[key]
    if (key === "$object") return isObject(content) ? withParts(content, unpack) : content
    if (typeof content === "string" && /^-?\d+$/.test(content)) return untagged(value as Parts)
  }
  return withParts(value, unpack)
}

/** Plain data as JSON text; fields that are `undefined` are left out. */
export const stringify = (value: unknown): string => `${JSON.stringify(value, pack)}\n`

/** Reads what {@link stringify} has written. Throws a `SyntaxError` if the text is no JSON. */
export const parse = (text: string): unknown => unpack(JSON.parse(text))
