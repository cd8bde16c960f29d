/**
 * What a value from a program is made of, checked without a schema: a schema costs start-up time, and every start checks.
 *
 * A shape looks at types, at the keys of objects, and at ranges that no rule looks at. A caller from plain
 * JavaScript gets the place of a mistake for it, and the rules can rely on types.
 */
import { nearest } from "../../engine/nearest.ts"

/** Where a value is: the keys and indices from the top. It changes once the value has been looked at: see `below`. */
export type KeyPath = ReadonlyArray<string | number>

/** Takes what is wrong: its place (to keep it, copy it), what is there, and what should be. */
export type Tell = (at: KeyPath, value: unknown, rule: string) => void

/** Looks at a value, and reports everything that is wrong with it. */
export type Shape = (value: unknown, at: KeyPath, tell: Tell) => void

/** A field that may be left out. */
export interface May {
  readonly optional: Shape
}

/** The fields of a type, each with its shape; the compiler asks for a new one. */
export type Fields<A> = { readonly [K in keyof A]-?: object extends Pick<A, K> ? May : Shape }

/** A field that may be left out. */
export const may = (optional: Shape): May => ({ optional })

const isShape = (field: Shape | May): field is Shape => typeof field === "function"

/**
 * Looks at a part of a value. All parts share the list of keys that leads to them: a container has hundreds, each start
 * looks at all of them, and next to none has to be reported.
 */
const below = (shape: Shape, part: unknown, at: KeyPath, key: string | number, tell: Tell): void => {
  const way = at as Array<string | number>
  way.push(key)
  shape(part, way, tell)
  way.pop()
}

const where = (accepts: (value: unknown) => boolean, rule: string): Shape => (value, at, tell) => {
  if (!accepts(value)) tell(at, value, rule)
}

/** A text that can be given to the kernel as it is: a half of a surrogate pair would become another character. */
export const text: Shape = (value, at, tell) => {
  if (typeof value !== "string") tell(at, value, "must be a text")
  // U+DC80 to U+DCFF are bytes that are no UTF-8, as the kernel's names of files may have them
  else if (/(?![\udc80-\udcff])\p{Surrogate}/u.test(value)) {
    tell(at, value, "must be Unicode: it holds half a character")
  }
}

/** True or false. */
export const flag: Shape = where((value) => typeof value === "boolean", "must be true or false")

/** A number; its range is a rule's business. */
export const number: Shape = where((value) => typeof value === "number", "must be a number")

/** A function. */
export const func: Shape = where((value) => typeof value === "function", "must be a function")

/** A whole number of a range. */
export const whole = (minimum: number, maximum: number): Shape =>
  where(
    (value) => typeof value === "number" && Number.isInteger(value) && value >= minimum && value <= maximum,
    `must be a whole number from ${minimum} to ${maximum}`
  )

/** 32 bits without a sign. */
export const uint32 = whole(0, 2 ** 32 - 1)

/** 32 bits with a sign. */
export const int32 = whole(-(2 ** 31), 2 ** 31 - 1)

/** A bigint of a range. */
const wholeBig = (minimum: bigint, maximum: bigint): Shape =>
  where(
    (value) => typeof value === "bigint" && value >= minimum && value <= maximum,
    `must be a whole number from ${minimum} to ${maximum}, as a bigint: 1024n`
  )

/** 64 bits with a sign. */
export const int64 = wholeBig(-(2n ** 63n), 2n ** 63n - 1n)

/** 64 bits without a sign. */
export const uint64 = wholeBig(0n, 2n ** 64n - 1n)

/** 64 bits, with or without a sign: some write -1 for "none", and others 2^64-1. */
export const limit64 = wholeBig(-(2n ** 63n), 2n ** 64n - 1n)

/** One of some texts. */
export const oneOf = (...texts: ReadonlyArray<string>): Shape =>
  where((value) => texts.includes(value as string), `must be one of ${texts.map((one) => `"${one}"`).join(", ")}`)

/** A shape, or `null`. */
export const orNull = (shape: Shape): Shape => (value, at, tell) => {
  if (value !== null) shape(value, at, tell)
}

/** A list. */
export const list = (entry: Shape): Shape => (value, at, tell) => {
  if (!Array.isArray(value)) return tell(at, value, "must be a list")
  // by index: a hole is an entry that is missing
  for (let index = 0; index < value.length; index++) below(entry, value[index], at, index, tell)
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** An object whose keys are names. */
export const record = (entry: Shape): Shape => (value, at, tell) => {
  if (!isObject(value)) return tell(at, value, "must be an object")
  for (const key of Object.keys(value)) below(entry, value[key], at, key, tell)
}

const meant = (key: string, known: ReadonlyArray<string>): string => {
  const near = nearest(key, known)
  return near === undefined ? "" : `: did you mean "${near}"?`
}

const look = (fields: Readonly<Record<string, Shape | May>>, closed: boolean): Shape => {
  const known = Object.keys(fields)
  return (value, at, tell) => {
    if (!isObject(value)) return tell(at, value, "must be an object")
    for (const key of known) {
      const field = fields[key]!
      const inner = value[key]
      if (inner !== undefined) below(isShape(field) ? field : field.optional, inner, at, key, tell)
      else if (isShape(field)) tell([...at, key], undefined, "must be given")
    }
    if (!closed) return
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(fields, key)) {
        tell([...at, key], value[key], `is no key that is known here${meant(key, known)}`)
      }
    }
  }
}

/** An object with the fields of a type, and no others. */
export const struct = <A extends object>(fields: Fields<A>): Shape => look(fields, true)

/** An object with the fields of a type; others are not checked here. */
export const open = <A extends object>(fields: Fields<A>): Shape => look(fields, false)
