/** Terminals: devpts instances, masters and slaves, controlling terminals, sizes and modes. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { data } from "./terminals/data.ts"
import { instances } from "./terminals/instances.ts"
import { sessions } from "./terminals/sessions.ts"

export const terminals: Scenarios = union(instances, data, sessions)
