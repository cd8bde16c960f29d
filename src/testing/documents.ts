/**
 * What differs between two JSON documents, by their meaning: the order of keys and the way it is written do not matter.
 *
 * @category checks
 * @since 0.2.0
 */
import { isDeepStrictEqual } from "node:util"

/** A place in a document that holds something else now; `undefined` where there is nothing. */
export interface DocumentChange {
  /** From the document's top, as `container.mounts[3].source`; `[]` for elements of a list that came or went. */
  readonly path: string
  readonly expected: unknown
  readonly actual: unknown
}

type Fields = Readonly<Record<string, unknown>>

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** A text that is a document itself, as one that is kept within another one, is looked into; also if it is quoted. */
const opened = (value: unknown): unknown => {
  if (isFields(value) && typeof value["$bigint"] === "string") return BigInt(value["$bigint"])
  const inner = typeof value === "string" && /^["[{]/.test(value) ? parsed(value) : undefined
  return inner === undefined ? value : opened(inner)
}

/** What only one of two lists has, in order; equal elements are taken for the same. */
export const onlyIn = (one: ReadonlyArray<unknown>, other: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const left = [...other]
  return one.filter((element) => {
    const at = left.findIndex((candidate) => isDeepStrictEqual(element, candidate))
    if (at >= 0) left.splice(at, 1)
    return at < 0
  })
}

const join = (path: string, key: string): string => path === "" ? key : `${path}.${key}`

const inLists = (
  path: string,
  expected: ReadonlyArray<unknown>,
  actual: ReadonlyArray<unknown>
): ReadonlyArray<DocumentChange> => {
  const [gone, come] = [onlyIn(expected, actual), onlyIn(actual, expected)]
  // in place: what is in it differs; otherwise elements came and went, or all are there in another order
  if (expected.length === actual.length && gone.length > 0) {
    return expected.flatMap((old, index) => between(`${path}[${index}]`, old, actual[index]))
  }
  if (gone.length === 0 && come.length === 0) return [{ path, expected, actual }]
  return [
    ...gone.map((element) => ({ path: `${path}[]`, expected: element, actual: undefined })),
    ...come.map((element) => ({ path: `${path}[]`, expected: undefined, actual: element }))
  ]
}

const between = (path: string, before: unknown, after: unknown): ReadonlyArray<DocumentChange> => {
  const [expected, actual] = [opened(before), opened(after)]
  if (isDeepStrictEqual(expected, actual)) return []
  if (Array.isArray(expected) && Array.isArray(actual)) return inLists(path, expected, actual)
  // two of different kinds have nothing in common
  if (isFields(expected) && isFields(actual) && expected["_tag"] === actual["_tag"]) {
    return [...new Set([...Object.keys(expected), ...Object.keys(actual)])].flatMap((key) =>
      between(join(path, key), expected[key], actual[key])
    )
  }
  return [{ path, expected, actual }]
}

/** The differences of two texts that are documents, each an object; `undefined` if one is none. */
export const documentChanges = (expected: string, actual: string): ReadonlyArray<DocumentChange> | undefined => {
  const [old, now] = [opened(expected), opened(actual)]
  return isFields(old) && isFields(now) ? between("", old, now) : undefined
}
