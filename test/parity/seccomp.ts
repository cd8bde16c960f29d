/** Seccomp: what seccomp(2) takes, and what loaded filters do with the calls that follow. */
import { type Scenarios, union } from "../support/parityLines.ts"
import { computing } from "./seccomp/computing.ts"
import { loading } from "./seccomp/loading.ts"
import { outcomes } from "./seccomp/outcomes.ts"
import { profiles } from "./seccomp/profiles.ts"

export const seccomp: Scenarios = union(loading, outcomes, computing, profiles)
