/**
 * What a process that is executed in a running container finds there.
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { ContainerCgroup } from "./facts.ts"
import { Running } from "./Running.ts"

/** The cgroups of the running container are those that the process joins. */
export const findCgroup = Step.make("findCgroup", {
  doc: "find the running container's cgroups",
  calls: [],
  requires: [Running],
  provides: ContainerCgroup,
  reversal: "harmless",
  run: Effect.map(Running, ({ cgroup }) => ({ manager: cgroup }))
})
