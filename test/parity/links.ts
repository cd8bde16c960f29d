/** Network interfaces: making, naming, changing, moving and ending them. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { changes } from "./links/changes.ts"
import { moves } from "./links/moves.ts"
import { naming } from "./links/names.ts"

export const links: Scenarios = union(naming, changes, moves)
