/** Rules of namespaces, id mappings, clock offsets and names. */
import { type Container, hasNamespace, type IdMapping, makesNamespace, mapText } from "../Container.ts"
import {
  each,
  type Found,
  found,
  highestId,
  isId,
  isWithin,
  kindOf,
  needs,
  noNul,
  pathRule,
  type Rule,
  type Section,
  when
} from "./Rule.ts"

/** Each type of namespace once, with an absolute path or none. */
export const namespaces: Rule = {
  reads: ["namespaces"],
  check: ({ namespaces }) =>
    each(namespaces, ({ path, type }, index) => [
      ...when(namespaces.findIndex((other) => other.type === type) < index, () =>
        found("namespaces", [index, "type"], type, "must not be given twice")),
      ...when(path !== undefined && pathRule(path) !== undefined, () =>
        found("namespaces", [index, "path"], path, pathRule(path!)!))
    ])
}

/**
 * A new user namespace owns the namespaces that are made with it. One that is joined by path belongs to another user
 * namespace, in which this process has no rights; and the process that prepares the root from outside would do it in that
 * namespace, which may be the host's.
 */
export const newUserJoinsNothing: Rule = {
  reads: ["namespaces"],
  check: (container) =>
    !makesNamespace(container, "user") ?
      [] :
      each(container.namespaces, ({ path, type }, index) =>
        when(path !== undefined, () =>
          found(
            "namespaces",
            [index, "path"],
            path,
            `a new user namespace can't go with an existing ${
              kindOf[type]
            } namespace: make that one new, too, or join the user namespace that owns it`
          )))
}

/** The most lines that the kernel takes as a map of ids. @see user_namespaces(7) */
const mostLines = 340

/** The kernel takes a map as one write, which has to be shorter than a page. */
const pageSize = 4096

/** What is wrong with a list of id mappings. */
export const mappingProblems = (
  section: Section,
  at: ReadonlyArray<string | number>,
  mappings: ReadonlyArray<IdMapping>
): ReadonlyArray<Found> => {
  const overlap = (a: number, b: number, sizeA: number, sizeB: number) => a < b + sizeB && b < a + sizeA
  // not looked at one by one: each is compared with all before it
  if (mappings.length > mostLines) {
    return [found(section, at, mappings.length, `must have at most ${mostLines} lines, as the kernel takes no more`)]
  }
  return [
    ...when(
      mapText(mappings).length >= pageSize,
      () =>
        found(
          section,
          at,
          mappings.length,
          `must take less than ${pageSize} bytes as the lines of a map, as the kernel takes no more: join ranges`
        )
    ),
    ...each(mappings, ({ containerId, hostId, size }, index) => {
      const earlier = mappings.slice(0, index)
      const field = (name: string, value: unknown, rule: string) => found(section, [...at, index, name], value, rule)
      return [
        ...when(!(size > 0), () => field("size", size, "must be greater than 0")),
        ...when(
          size > 0 && (!isId(containerId) || !isId(containerId + size - 1)),
          () => field("containerId", containerId, `with its size must stay within 0 to ${highestId}`)
        ),
        ...when(
          size > 0 && (!isId(hostId) || !isId(hostId + size - 1)),
          () => field("hostId", hostId, `with its size must stay within 0 to ${highestId}`)
        ),
        ...when(
          earlier.some((other) => overlap(other.containerId, containerId, other.size, size)),
          () => field("containerId", containerId, "must not overlap an earlier mapping")
        ),
        ...when(
          earlier.some((other) => overlap(other.hostId, hostId, other.size, size)),
          () => field("hostId", hostId, "must not overlap an earlier mapping")
        )
      ]
    })
  ]
}

const namespaceMappings = (container: Container) => (section: "uidMappings" | "gidMappings"): ReadonlyArray<Found> => {
  const list = container[section]
  const given = list.length > 0
  const isNew = makesNamespace(container, "user")
  return [
    ...mappingProblems(section, [], list),
    ...when(given && !hasNamespace(container, "user"), () => found(section, [], undefined, needs("user"))),
    ...when(
      !given && isNew,
      () => found(section, [], undefined, "must be given, as a new user namespace is asked for")
    )
  ]
}

/** The id mappings belong to a user namespace, overlap nowhere, and map ids that there are. */
export const mappings: Rule = {
  reads: ["namespaces", "uidMappings", "gidMappings"],
  check: (container) => (["uidMappings", "gidMappings"] as const).flatMap(namespaceMappings(container))
}

/** Clock offsets belong to a new time namespace. */
export const timeOffsets: Rule = {
  reads: ["namespaces", "timeOffsets"],
  check: (container) => [
    ...when(
      container.timeOffsets.length > 0 && !makesNamespace(container, "time"),
      () => found("timeOffsets", [], undefined, "needs a new time namespace")
    ),
    ...each(
      container.timeOffsets,
      ({ clock, nanoseconds }) =>
        when(
          !isWithin(nanoseconds, 0, 999_999_999),
          () => found("timeOffsets", [clock, "nanoseconds"], nanoseconds, "must be a whole number from 0 to 999999999")
        )
    )
  ]
}

const nameProblems = (container: Container) => (section: "hostname" | "domainname"): ReadonlyArray<Found> => {
  const name = container[section]
  return name === undefined ? [] : [
    ...when(!hasNamespace(container, "uts"), () => found(section, [], name, needs("uts"))),
    ...when(Buffer.byteLength(name) > 64, () => found(section, [], name, "must be at most 64 bytes long")),
    ...when(name.includes("\0"), () => found(section, [], name, noNul))
  ]
}

/** Host and domain name fit, and belong to a UTS namespace. */
export const names: Rule = {
  reads: ["namespaces", "hostname", "domainname"],
  check: (container) => (["hostname", "domainname"] as const).flatMap(nameProblems(container))
}
