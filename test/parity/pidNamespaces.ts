/** pid and time namespaces: numbers, parents, init, what joins and who follows. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { inits } from "./pidNamespaces/inits.ts"
import { joins } from "./pidNamespaces/joins.ts"
import { numbers } from "./pidNamespaces/numbers.ts"
import { times } from "./pidNamespaces/time.ts"

export const pidNamespaces: Scenarios = union(numbers, inits, joins, times)
