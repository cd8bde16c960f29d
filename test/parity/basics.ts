/** A first look at every kind of call. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { credentials } from "./basics/credentials.ts"
import { files } from "./basics/files.ts"
import { machine } from "./basics/machine.ts"
import { mounts } from "./basics/mounts.ts"
import { processes } from "./basics/processes.ts"

export const basics: Scenarios = union(files, credentials, mounts, processes, machine)
