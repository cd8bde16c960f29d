/** Resource limits, scheduling, io priorities, processors, memory policies, personalities. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { files } from "./limits/files.ts"
import { rest } from "./limits/others.ts"
import { processes } from "./limits/processes.ts"
import { resources } from "./limits/resources.ts"
import { scheduling } from "./limits/scheduling.ts"

export const limits: Scenarios = union(resources, files, processes, scheduling, rest)
