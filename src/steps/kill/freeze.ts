/** Hold the container's processes still, so that none can fork away from the list that is made next. */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { orOn } from "../../native/Kernel.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { gone } from "../cgroup/files.ts"
import { Frozen, KillTarget } from "./KillTarget.ts"

/** A container that can't be frozen soon is killed all the same. */
const milliseconds = 2000

/**
 * Freezes the cgroup. From here on, whatever fails, it is thawed.
 *
 * A process in uninterruptible sleep can keep the cgroup from freezing in time, and some have no freezer. That must not
 * save the container from being killed: it goes on unfrozen, and `reap` makes sure that nothing has got away.
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
    // before the first write: also a freeze that was interrupted half-way is taken back
    yield* Step.onRollback(Cgroup.thaw(cgroup))
    return yield* Cgroup.freeze(cgroup, { milliseconds }).pipe(
      Effect.as({ frozen: true }),
      Effect.catchTag(
        ["FreezeTimeout", "CgroupCannotFreeze"],
        ({ message }) => Effect.succeed({ frozen: false, reason: message })
      ),
      orOn(gone, { frozen: false, reason: "the cgroup is gone" })
    )
  })
})
