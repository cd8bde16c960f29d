/** User namespaces: maps, names of ids, capabilities over what belongs to a namespace, joining. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { formats } from "./userNamespaces/formats.ts"
import { names } from "./userNamespaces/names.ts"
import { powers } from "./userNamespaces/powers.ts"
import { rights } from "./userNamespaces/rights.ts"

export const userNamespaces: Scenarios = union(formats, rights, names, powers)
