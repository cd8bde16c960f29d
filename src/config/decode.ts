/**
 * Decoding with every problem at once.
 *
 * A schema stops at what it can't read, and rules between fields need fields that could be read. So the broken parts of a
 * document are taken out, and the rest is decoded and checked all the same: one run of the tool reports everything that is
 * wrong, and a rule is left out only if a field that it reads is broken.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import { pathOf, type Problem, problem } from "./ConfigError.ts"

/** What could be read of a document, and what is wrong with the rest. */
export interface Decoded<A> {
  /** Absent if the document is no object at all. */
  readonly value: A | undefined
  readonly problems: ReadonlyArray<Problem>
  /** Keys that the schema does not know. */
  readonly unknown: ReadonlyArray<Problem>
  /** Paths of the fields that were taken out. */
  readonly broken: ReadonlyArray<string>
}

interface Found {
  readonly path: ReadonlyArray<PropertyKey>
  readonly rule: string
  readonly unknown: boolean
}

const kinds: Readonly<Record<string, string>> = {
  String: "must be a text",
  Number: "must be a number",
  Boolean: "must be true or false",
  Arrays: "must be a list",
  Objects: "must be an object"
}

const typeRule = (ast: SchemaIssue.InvalidType["ast"], value: unknown): string => {
  const annotations = ast.annotations ?? ast.checks?.[0]?.annotations
  const expected = annotations?.["expected"]
  if (typeof expected === "string") return expected
  if (ast._tag === "Union") {
    const names = ast.types.map((type) => type._tag === "Literal" ? JSON.stringify(type.literal) : type._tag)
    return `must be one of ${names.join(", ")}`
  }
  if (ast._tag === "Literal") return `must be ${JSON.stringify(ast.literal)}`
  // a number too big for a double is a bigint by now
  if (ast._tag === "Number" && typeof value === "bigint") return "must be a smaller number"
  return kinds[ast._tag] ?? `must be ${ast._tag}`
}

const valueAt = (root: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>(
    (value, key) =>
      typeof value === "object" && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    root
  )

const flatten = (
  issue: SchemaIssue.Issue,
  path: ReadonlyArray<PropertyKey>,
  root: unknown,
  rule?: string
): ReadonlyArray<Found> => {
  switch (issue._tag) {
    case "Pointer":
      return flatten(issue.issue, [...path, ...issue.path], root, rule)
    case "Composite":
      return issue.issues.flatMap((inner) => flatten(inner, path, root, rule))
    case "Encoding":
      return flatten(issue.issue, path, root, rule)
    case "Filter": {
      const expected = issue.filter.annotations?.["expected"]
      return flatten(issue.issue, path, root, typeof expected === "string" ? expected : rule)
    }
    case "AnyOf":
    case "OneOf":
    case "InvalidType":
      return [{ path, rule: rule ?? typeRule(issue.ast, valueAt(root, path)), unknown: false }]
    case "MissingKey":
      return [{ path, rule: "must be given", unknown: false }]
    case "UnexpectedKey":
      return [{ path, rule: "is no key that is known here", unknown: true }]
    case "InvalidValue":
    case "Forbidden":
      return [{ path, rule: rule ?? String(issue.annotations?.["message"] ?? "must be valid"), unknown: false }]
  }
}

/** The field that is taken out for a broken place: the key at the top, or the one below in an object that has sections. */
const sectionOf = (path: ReadonlyArray<PropertyKey>, sectioned: ReadonlyArray<string>): ReadonlyArray<PropertyKey> =>
  path.slice(0, path.length > 1 && sectioned.includes(String(path[0])) ? 2 : 1)

const without = (root: unknown, path: ReadonlyArray<PropertyKey>): unknown => {
  const [key, ...rest] = path
  if (typeof root !== "object" || root === null || key === undefined) return root
  const { [String(key)]: inner, ...others } = root as Record<string, unknown>
  return rest.length === 0 ? others : inner === undefined ? root : { ...others, [String(key)]: without(inner, rest) }
}

/**
 * Decodes `input` by `strict`, or, if that fails, what is left without the broken fields by `lenient`: the same
 * schema with every field optional. `sectioned` names the objects whose fields are taken out one by one.
 */
export const decode = <A extends L, L>(
  strict: Schema.ConstraintCodec<A, unknown>,
  lenient: Schema.ConstraintCodec<L, unknown>,
  input: unknown,
  sectioned: ReadonlyArray<string>
): Decoded<L> => {
  const first = Schema.decodeUnknownResult(strict)(input, { errors: "all", onExcessProperty: "error" })
  if (Result.isSuccess(first)) return { value: first.success, problems: [], unknown: [], broken: [] }
  const found = flatten(first.failure.issue, [], input)
  const toProblem = ({ path, rule }: Found): Problem => problem(pathOf(path), valueAt(input, path), rule)
  const wrong = found.filter(({ unknown }) => !unknown)
  const sections = wrong.map(({ path }) => sectionOf(path, sectioned))
  const second = Schema.decodeUnknownResult(lenient)(sections.reduce(without, input), { errors: "all" })
  return {
    value: Result.isSuccess(second) ? second.success : undefined,
    problems: wrong.map(toProblem),
    unknown: found.filter(({ unknown }) => unknown).map(toProblem),
    broken: sections.map(pathOf)
  }
}
