/** Tables of descriptors and open file descriptions: dup(2), fcntl(2), close_range(2), flock(2), offsets, exec. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { locks } from "./descriptors/locks.ts"
import { offsets } from "./descriptors/offsets.ts"
import { table } from "./descriptors/table.ts"

export const descriptors: Scenarios = union(table, offsets, locks)
