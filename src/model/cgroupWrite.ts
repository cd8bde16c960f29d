/** A write to a file of a cgroup's controller. */
import { initialValue } from "./cgroupFiles.ts"
import type { Machine } from "./Machine.ts"
import type { Cgroup, Hierarchy } from "./State.ts"

/** A write to a file of a controller. */
export interface Write {
  readonly m: Machine
  readonly hierarchy: Hierarchy
  readonly group: Cgroup
  /** The file. */
  readonly name: string
  readonly text: string
}

/** Returns the new content of the file; `undefined` if a write changes nothing that can be read. */
export type Rule = (write: Write) => string | undefined

/** A value of a group: the last one written, or the initial one. */
export const valueOf = (hierarchy: Hierarchy, group: Cgroup | undefined, name: string): string =>
  group?.values.get(name) ?? initialValue(hierarchy.version, hierarchy.controllers, name)
