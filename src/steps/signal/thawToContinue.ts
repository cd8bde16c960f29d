/**
 * Thaw a container that gets SIGCONT.
 *
 * @category steps
 * @since 0.2.0
 */
import * as Effect from "effect/Effect"
import * as Step from "../../engine/Step.ts"
import { SIG } from "../../native/constants.ts"
import * as Cgroup from "../cgroup/Cgroup.ts"
import { CanContinue, SignalTarget } from "./SignalTarget.ts"

/**
 * SIGCONT also thaws the cgroups, no matter what froze them: a pause, an interrupted kill, or the container itself. No other
 * signal does: for a frozen process it stays pending until the process is thawed.
 */
export const thawToContinue = Step.make("thawToContinue", {
  doc: "thaw the container's cgroups, if the signal is SIGCONT",
  calls: Cgroup.freezerCalls,
  requires: [SignalTarget],
  provides: CanContinue,
  reversal: "irreversible",
  run: Effect.gen(function*() {
    const { cgroup, signal } = yield* SignalTarget
    if (signal === SIG.CONT && cgroup !== undefined) yield* Cgroup.thaw(cgroup, { whole: true })
    return true as const
  })
})
