/**
 * What a rule is, and how its findings become problems in the words of a format.
 *
 * @category validation
 * @since 0.1.0
 */
import * as capabilities from "../capabilities.ts"
import { pathOf, type Problem, problem } from "../ConfigError.ts"
import { type Container, type NamespaceType } from "../Container.ts"

/** The parts of a container that rules read and name; the empty one is the container itself. */
export type Section =
  | keyof Container
  | ""
  | "cgroup.path"
  | `process.${Exclude<keyof Container["process"], symbol | number>}`

/** How a format calls the parts of the model; what it does not name is called as in the model. */
export interface Names {
  readonly sections: Readonly<Partial<Record<Section, string>>>
  /** Names of fields below a section, or below one section only: `mounts.type`. */
  readonly fields: Readonly<Record<string, string>>
  /** How many entries of a list the model has in front of those that the document gave. */
  readonly offsets: Readonly<Partial<Record<Section, number>>>
}

/** The names of the model itself. */
export const modelNames: Names = { sections: {}, fields: {}, offsets: {} }

/** What a rule finds: a place in the model, what is there, and what it must be. */
export interface Found {
  readonly section: Section
  readonly at: ReadonlyArray<string | number>
  readonly value: unknown
  readonly rule: string
}

/** A rule, with the sections that it reads: if one of them could not be read, it is left out. */
export interface Rule {
  readonly reads: ReadonlyArray<Section>
  readonly check: (container: Container) => ReadonlyArray<Found>
}

/** Makes a finding. */
export const found = (section: Section, at: ReadonlyArray<string | number>, value: unknown, rule: string): Found => ({
  section,
  at,
  value,
  rule
})

/** Finds something in each entry of a list. */
export const each = <A>(list: ReadonlyArray<A>, check: (entry: A, index: number) => ReadonlyArray<Found>) =>
  list.flatMap(check)

/** A finding, if something is broken. */
export const when = (broken: boolean, problem: () => Found): ReadonlyArray<Found> => broken ? [problem()] : []

/** What a text must not have. */
export const noNul = "must not contain a NUL character"
const absolute = "must be an absolute path"

/** What is wrong with an absolute path, if anything. */
export const pathRule = (path: string): string | undefined =>
  !path.startsWith("/") ? absolute : path.includes("\0") ? noNul : undefined

/** Checks each of a list of absolute paths. */
export const paths = (section: Section, list: ReadonlyArray<string>): ReadonlyArray<Found> =>
  each(list, (path, index) => {
    const rule = pathRule(path)
    return rule === undefined ? [] : [found(section, [index], path, rule)]
  })

/** The highest uid or gid: 2^32-1 means "leave it" to the kernel. */
export const highestId = 2 ** 32 - 2
/** Whether a number is a whole one of a range. */
export const isWithin = (value: number, low: number, high: number): boolean =>
  Number.isInteger(value) && value >= low && value <= high
/** Whether a number is a uid or gid that a process can have. */
export const isId = (id: number): boolean => isWithin(id, 0, highestId)

/** The types of namespaces in words. */
export const kindOf: Readonly<Record<NamespaceType, string>> = {
  user: "user",
  mnt: "mount",
  pid: "pid",
  net: "network",
  ipc: "IPC",
  uts: "UTS",
  cgroup: "cgroup",
  time: "time"
}

/** What is missing if a setting belongs to a namespace, and the container has none of that type. */
export const needs = (type: NamespaceType): string => `needs a private ${kindOf[type]} namespace`

/** What a uid or gid must be. */
export const idRule = `must be a whole number from 0 to ${highestId}`

/** The section of a place in the model, and the way from there. */
export const placeOf = (
  at: ReadonlyArray<string | number>
): { readonly section: Section; readonly rest: ReadonlyArray<string | number> } => {
  const [first = "", second] = at
  const deeper = second !== undefined && (first === "process" || first === "cgroup" && second === "path")
  // a key that the model does not have is a section, too: it is called as it is written
  return deeper
    ? { section: `${first}.${second}` as Section, rest: at.slice(2) }
    : { section: first as Section, rest: at.slice(1) }
}

/** What a capability must be. */
export const capabilityRule = `must be a capability from 0 to ${capabilities.last}`

/** A section as the format calls it. */
export const nameOf = (section: Section, names: Names): string => own(names.sections, section) ?? section

/** A key may be any word of a caller, also one that every object has. */
const own = <A>(table: Readonly<Partial<Record<string, A>>>, key: string): A | undefined =>
  Object.hasOwn(table, key) ? table[key] : undefined

/** A finding as a problem in the words of the format. */
export const inNames = (names: Names) => ({ at, rule, section, value }: Found): Problem => {
  const offset = own(names.offsets, section) ?? 0
  const parts = at.map((part, depth) =>
    typeof part !== "number"
      ? own(names.fields, `${section}.${part}`) ?? own(names.fields, part) ?? part
      : depth === 0
      ? part - offset
      : part
  )
  const top = nameOf(section, names)
  // a key that is no word is quoted
  return problem(pathOf([...(top === "" ? [] : top.split(".")), ...parts]), value, rule)
}
