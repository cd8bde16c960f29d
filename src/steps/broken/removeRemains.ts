/**
 * Remove the cgroup that a container without a readable state has left.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { Reaped } from "../kill/facts.ts"
import { KillTarget } from "../kill/KillTarget.ts"

/** Removes it; does nothing if there is none. */
export const removeRemains = Step.make("removeRemains", {
  doc: "remove that cgroup",
  calls: [...Cgroup.directoryCalls],
  requires: [KillTarget, Reaped],
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { cgroup } = yield* KillTarget
    if (cgroup !== undefined) yield* Cgroup.destroy(cgroup)
  })
})
