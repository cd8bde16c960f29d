/**
 * Remove a stopped container's cgroups.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { Stopped } from "./facts.ts"
import { Removal } from "./Removal.ts"

/** Removes the cgroups. */
export const removeCgroup = Step.make("removeCgroup", {
  doc: "remove the container's cgroups",
  calls: [...Cgroup.directoryCalls],
  requires: [Removal, Stopped],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { state } = yield* Removal
    if (state.cgroup !== undefined) yield* Cgroup.destroy(state.cgroup)
  })
})
