/** A mount as its type and flags make it. */
import type { Mount } from "./Container.ts"

/** A mount without what only an OCI document asks for: cleared flags, propagation, recursive attributes, a copy. */
export const plainMount = (
  destination: string,
  type: string,
  source: string,
  flags: number,
  data: ReadonlyArray<string> = []
): Mount => ({
  destination,
  type,
  source,
  flags,
  clearedFlags: 0,
  propagation: [],
  recursiveAttributes: { set: 0, clear: 0 },
  data,
  copyUp: false
})
