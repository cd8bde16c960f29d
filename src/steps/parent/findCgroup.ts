/**
 * Take the cgroups of the running container from its state.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { ContainerCgroup } from "./facts.ts"
import { Running } from "./Running.ts"

/** Finds the cgroups that the executed process joins. */
export const findCgroup = Step.make("findCgroup", {
  doc: "find the running container's cgroups",
  calls: [],
  requires: [Running],
  provides: ContainerCgroup,
  reversal: "harmless",
  run: Effect.map(Running, ({ cgroup }) => ({ manager: cgroup }))
})
