/** execve(2): which files can be executed, and what becomes of ids, capabilities, signals and descriptors. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { caps } from "./exec/fileCapabilities.ts"
import { formats } from "./exec/formats.ts"
import { root, users } from "./exec/ids.ts"
import { descriptors, namespaces, parentDeath, signals } from "./exec/inherited.ts"
import { scripts } from "./exec/scripts.ts"
import { setid } from "./exec/setid.ts"
import { sizes } from "./exec/sizes.ts"

export const exec: Scenarios = union(
  root,
  users,
  setid,
  caps,
  formats,
  scripts,
  descriptors,
  signals,
  parentDeath,
  namespaces,
  sizes
)
