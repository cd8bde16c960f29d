/** Files of /proc: of the process, of others, of the machine; who may look, and what is in them. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { access } from "./procFiles/access.ts"
import { own } from "./procFiles/own.ts"

export const procFiles: Scenarios = union(own, access)
