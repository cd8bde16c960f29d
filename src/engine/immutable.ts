/**
 * Plain data that nobody can change any more, so that what was found out about it once holds for good.
 *
 * @category models
 * @since 0.2.0
 */

const known = new WeakSet<object>()

/** Plain data is not nested more deeply; what is may be without end. */
const deepest = 64

/** Whether an object is a list without holes, or a literal, and whether each of its properties is a value that is listed. */
const isLiteral = (value: object): boolean => {
  const keys = Object.keys(value)
  const others = Array.isArray(value) ? 1 : 0
  if (Object.getPrototypeOf(value) !== (others === 1 ? Array.prototype : Object.prototype)) return false
  if (others === 1 && keys.length !== (value as ReadonlyArray<unknown>).length) return false
  const properties = Object.getOwnPropertyDescriptors(value)
  return Reflect.ownKeys(value).length === keys.length + others && keys.every((key) => "value" in properties[key]!)
}

/** Whether a value is plain data: texts, numbers, and lists and literals of these. A function or a secret is none. */
const isPlain = (value: unknown, depth = 0): boolean => {
  if (typeof value === "function" || typeof value === "symbol") return false
  if (typeof value !== "object" || value === null || known.has(value)) return true
  return depth < deepest && isLiteral(value) && Object.values(value).every((part) => isPlain(part, depth + 1))
}

/** A copy of plain data, frozen with all of its parts. What is frozen already is not copied. */
const frozen = (value: unknown): unknown => {
  if (typeof value !== "object" || value === null || known.has(value)) return value
  const copy: object = Array.isArray(value)
    ? value.map(frozen)
    : Object.fromEntries(Object.entries(value).map(([key, part]) => [key, frozen(part)]))
  known.add(Object.freeze(copy))
  return copy
}

/**
 * A copy that nobody can change; the value itself if it is one.
 *
 * @returns `undefined` if the value is no plain data: it may hold a secret, or an object whose content can't be seen
 * @since 0.2.0
 */
export const immutable = <A extends object>(value: A): A | undefined => isPlain(value) ? frozen(value) as A : undefined

/**
 * Whether a value was returned by {@link immutable}, or is a part of one that was.
 *
 * @since 0.2.0
 */
export const isImmutable = (value: object): boolean => known.has(value)

/**
 * Whether a value has the same content as plain data, with keys in the same order.
 *
 * @since 0.2.0
 */
export const hasContent = (value: unknown, data: unknown): boolean => {
  if (Object.is(value, data)) return true
  if (typeof value !== "object" || typeof data !== "object" || value === null || data === null) return false
  if (Object.getPrototypeOf(value) !== Object.getPrototypeOf(data)) return false
  return Array.isArray(data) ? hasEntries(value as ReadonlyArray<unknown>, data) : hasFields(value, data)
}

const hasEntries = (value: ReadonlyArray<unknown>, data: ReadonlyArray<unknown>): boolean => {
  if (value.length !== data.length) return false
  for (let index = 0; index < data.length; index++) if (!hasContent(value[index], data[index])) return false
  return true
}

const hasFields = (value: object, data: object): boolean => {
  const keys = Object.keys(data)
  const others = Object.keys(value)
  if (keys.length !== others.length) return false
  for (let index = 0; index < keys.length; index++) {
    const key = keys[index]!
    if (others[index] !== key) return false
    if (!hasContent((value as Record<string, unknown>)[key], (data as Record<string, unknown>)[key])) return false
  }
  return true
}
