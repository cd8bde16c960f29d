/**
 * Move into the container's cgroups, whose limits are set already, before anything is started that could be outside.
 *
 * The process moves itself: to move another one, the kernel locks out every fork, exec and exit of the machine in each v1
 * hierarchy, which takes ten times as long.
 *
 * @see cgroups(7)
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../engine/Step.ts"
import * as Cgroup from "./cgroup/Cgroup.ts"
import { InCgroup } from "./init/facts.ts"
import { Init } from "./init/Init.ts"

/** Joins the cgroups of `Init.cgroup`. */
export const joinCgroup = Step.make("joinCgroup", {
  doc: "move into the container's cgroups",
  calls: [...Cgroup.memberCalls],
  requires: [Init],
  provides: InCgroup,
  reversal: "irreversible",
  replayable: true,
  run: Effect.gen(function*() {
    const { cgroup } = yield* Init
    if (cgroup !== undefined) yield* Cgroup.joinSelf(cgroup)
    return true as const
  })
})
