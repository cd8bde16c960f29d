/**
 * Hold the container's processes still, so that none can fork away from the list that is made next.
 *
 * @category steps
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { Frozen } from "./facts.ts"
import { KillTarget } from "./KillTarget.ts"

/** How long to wait for the freeze. After that the container is killed unfrozen. */
const milliseconds = 2000

/**
 * Freezes the cgroup. If anything fails from here on, the cgroup is thawed again.
 *
 * A process in uninterruptible sleep can keep the cgroup from freezing in time, and some cgroups have no freezer. That must
 * not save the container: the kill continues without the freeze, and `reap` finds the processes that were forked meanwhile.
 */
export const freeze = Step.make("freeze", {
  doc: "hold the container's processes still, so that none forks away",
  calls: Cgroup.freezerCalls,
  requires: [KillTarget],
  provides: Frozen,
  reversal: "compensated",
  run: Effect.gen(function*() {
    const { cgroup } = yield* KillTarget
    if (cgroup === undefined) return { frozen: false }
    // before the first write, so that a freeze that is interrupted half-way is taken back too
    yield* Step.onRollback(Cgroup.thaw(cgroup))
    return yield* Cgroup.freeze(cgroup, { milliseconds }).pipe(
      Effect.as({ frozen: true }),
      Effect.catchTag(
        ["FreezeTimeout", "CgroupCannotFreeze", "CgroupGone"],
        ({ message }) => Effect.succeed({ frozen: false, reason: message })
      )
    )
  })
})
