/** Ids, groups, securebits, capability sets, and how changes of ids move capabilities. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { ids } from "./credentials/ids.ts"
import { moves } from "./credentials/moves.ts"
import { others } from "./credentials/others.ts"
import { bits } from "./credentials/securebits.ts"
import { sets } from "./credentials/sets.ts"

export const credentials: Scenarios = union(ids, moves, sets, bits, others)
