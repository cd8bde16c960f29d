/**
 * How two values differ, as lines of text.
 *
 * @category checks
 * @since 0.1.0
 */
import { nameOf } from "../config/capabilities.ts"

/**
 * A value of which some parts are given; a map by some of its keys.
 *
 * @since 0.2.0
 */
export type Part<T> = T extends bigint | number | string | boolean | null | undefined | Uint8Array ? T
  : T extends ReadonlyMap<infer K, infer V> ? ReadonlyMap<K, Part<V>>
  : T extends ReadonlyArray<infer V> ? ReadonlyArray<Part<V>>
  : { readonly [K in keyof T]?: Part<T[K]> }

const capabilitySets = new Set(["effective", "permitted", "inheritable", "bounding", "ambient"])

const valueText = (value: unknown, key: string): string => {
  if (typeof value === "bigint") {
    if (!capabilitySets.has(key)) return String(value)
    const held = Array.from({ length: 64 }, (_, number) => number).filter((number) => value >> BigInt(number) & 1n)
    return held.length > 38 ? `0x${value.toString(16)}` : `{${held.map(nameOf).join(", ")}}`
  }
  if (value instanceof Uint8Array) return JSON.stringify(Buffer.from(value).toString("utf8"))
  if (value instanceof Map) return `a map of ${[...value.keys()].join(", ") || "nothing"}`
  if (value === undefined) return "nothing"
  const text = JSON.stringify(
    value,
    (_, part) => typeof part === "bigint" ? String(part) : part instanceof Map ? [...part.keys()] : part
  )
  return text.length > 100 ? `${text.slice(0, 100)}…` : text
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Map) &&
  !(value instanceof Uint8Array)

/**
 * The parts in which a value differs from an expected one, one line each. Of objects and maps, only the expected keys are
 * compared; with `whole`, keys that are not expected are differences too.
 *
 * **Example** (Capability sets by name)
 *
 * ```ts
 * Check.differences({ uid: 0, ambient: 32n }, { uid: 1000, ambient: 0n })
 * // ["uid: 0 in place of 1000", "ambient: {CAP_KILL} in place of {}"]
 * ```
 */
export const differences = (
  actual: unknown,
  expected: unknown,
  { whole = false }: { readonly whole?: boolean } = {}
): ReadonlyArray<string> => {
  const visit = (actual: unknown, expected: unknown, path: string, key: string): ReadonlyArray<string> => {
    if (Object.is(actual, expected)) return []
    const at = (name: string): string => path === "" ? name : `${path}.${name}`
    if (actual instanceof Map && expected instanceof Map) {
      const keys = whole ? new Set([...expected.keys(), ...actual.keys()]) : expected.keys()
      return [...keys].flatMap((name) => visit(actual.get(name), expected.get(name), at(String(name)), String(name)))
    }
    if (Array.isArray(actual) && Array.isArray(expected) && actual.length === expected.length) {
      return expected.flatMap((value, index) => visit(actual[index], value, `${path}[${index}]`, key))
    }
    if (isRecord(actual) && isRecord(expected)) {
      const keys = whole ? new Set([...Object.keys(expected), ...Object.keys(actual)]) : Object.keys(expected)
      return [...keys].flatMap((name) => visit(actual[name], expected[name], at(name), name))
    }
    const [is, wanted] = [valueText(actual, key), valueText(expected, key)]
    const same = actual instanceof Uint8Array && expected instanceof Uint8Array &&
      Buffer.compare(actual, expected) === 0
    return same ? [] : [`${path === "" ? "" : `${path}: `}${is} in place of ${wanted}`]
  }
  return visit(actual, expected, "", "")
}
