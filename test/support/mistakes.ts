/** Mistakes that a caller from plain JavaScript can make in a value that has a type. */

/** The places in a value, from the top down. */
export const placesIn = (value: unknown, at: ReadonlyArray<string> = []): ReadonlyArray<ReadonlyArray<string>> =>
  typeof value !== "object" || value === null
    ? [at]
    : [at, ...Object.entries(value).flatMap(([key, inner]) => placesIn(inner, [...at, key]))]

/** A copy with another value at a place. */
export const changed = (value: unknown, at: ReadonlyArray<string>, change: (old: unknown) => unknown): unknown => {
  const [key, ...rest] = at
  if (key === undefined) return change(value)
  const inner = value as Readonly<Record<string, unknown>>
  const next = changed(inner[key], rest, change)
  if (!Array.isArray(value)) return { ...inner, [key]: next }
  return value.map((entry: unknown, index) => String(index) === key ? next : entry)
}

/** A copy without what stands at a place. */
export const without = (value: unknown, at: ReadonlyArray<string>): unknown => {
  const last = at.at(-1)!
  return changed(value, at.slice(0, -1), (old) =>
    Array.isArray(old)
      ? old.filter((_, index) => String(index) !== last)
      : Object.fromEntries(Object.entries(old as object).filter(([key]) => key !== last)))
}

const endless: Record<string, unknown> = {}
endless["self"] = endless
let deep: unknown = 1
for (let depth = 0; depth < 3000; depth++) deep = [deep]

/** Values of each type, and those of a type that are none. */
export const strange: ReadonlyArray<unknown> = [
  undefined,
  null,
  true,
  0,
  -1,
  1.5,
  Number.NaN,
  Infinity,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  -(2 ** 53),
  "",
  "1000",
  "root",
  "half \ud83d",
  "nul \0",
  1n,
  -1n,
  2n ** 64n,
  Symbol("s"),
  () => 1,
  [],
  [undefined],
  // a hole
  Array(2),
  {},
  { toString: "no function" },
  Object.create(null),
  new Map([["a", 1]]),
  new Date(0),
  endless,
  deep
]
