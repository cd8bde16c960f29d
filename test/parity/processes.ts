/** Processes: clone's flags, ends, waiting, reparenting, signals, parent-death signals, dumpable, pidfds, sessions. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { clones } from "./processes/clones.ts"
import { dumpable } from "./processes/dumpable.ts"
import { families } from "./processes/families.ts"
import { parentDeath } from "./processes/parentDeath.ts"
import { pidfds } from "./processes/pidfds.ts"
import { signals } from "./processes/signals.ts"
import { seeing } from "./processes/tracing.ts"
import { waits } from "./processes/waits.ts"

export const processes: Scenarios = union(clones, waits, families, parentDeath, signals, dumpable, seeing, pidfds)
